"""The `segsweep` command: check data before training, inspect results afterwards."""

import os
import re
import sys
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, cast

import typer

from segsweep import __version__
from segsweep.cli import compare, evaluate, export, listing, predict, remove, report, search, sweeps
from segsweep.cli.complete import run_names
from segsweep.errors import ConfigError, SegsweepError, WeightsError
from segsweep.system.files import resolved
from segsweep.system.signals import StopRequest
from segsweep.system.terminal import stop_printing, visible_output

if TYPE_CHECKING:
    from collections.abc import Mapping

    from omegaconf import DictConfig


app = typer.Typer(
    no_args_is_help=True,
    context_settings={"help_option_names": ["-h", "--help"]},
    pretty_exceptions_enable=False,
    help="Check data before training, inspect results afterwards. To train: segsweep-train.",
)
COMPLETIONS = ("--install-completion", "--show-completion")
"""Flags of typer."""
STOPPED = 130
"""Exit code after Ctrl-C or SIGTERM."""
UsageError = cast("type[typer.BadParameter]", typer.BadParameter.__base__)
"""Base class of all usage errors; where it is defined depends on typer's version."""


@app.callback(invoke_without_command=True)
def version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Print the version if --version is given."""
    if show:
        print(__version__)
        raise typer.Exit


@app.command()
def data(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="a folder, a folder of images and one of masks, or a CSV of pairs: finds out what "
            "is in it; or overrides, as for training: data=ph2 data.root=/data/PH2"
        ),
    ] = None,
    config_dir: Annotated[
        Path | None,
        typer.Option(help="folder with your own config groups", exists=True, file_okay=False),
    ] = None,
    write: Annotated[
        Path | None,
        typer.Option(help="write what is found as an option file into this folder"),
    ] = None,
) -> None:
    """Check a data set, print all problems, draw a contact sheet, and say how to train on it."""
    from segsweep.cli.data_facts import draw_sheet, print_facts, sheet_name
    from segsweep.cli.look import look_at, print_left_over, training_line, write_option
    from segsweep.cli.places import check_places, is_place, places_in
    from segsweep.config.allow import command_line
    from segsweep.config.check import check_config
    from segsweep.config.run_config import RunConfig
    from segsweep.data.check import format_problems
    from segsweep.data.parts import crossing_warnings
    from segsweep.data.split import split_samples
    from segsweep.sweep.planning import shadowed, user_code
    from segsweep.sweep.planning.plan import check_writable
    from segsweep.training.check_built import check_built
    from segsweep.training.dataset import checked_data

    words = overrides or []
    check_places(words)
    look = None
    if places := places_in(words):
        look = look_at(places, [word for word in words if not is_place(word)])
        if write:
            look, config_dir = write_option(look, write), write
        words = look.words
    shadowed.check_folders([] if config_dir is None else [config_dir])
    values, choices = compose_values(words, config_dir)
    with user_code.in_processes():
        with command_line(words):
            user_code.describe(values)
            config = RunConfig.of(check_config(values, choices))
        check_built(config, user_code.run_check)
        check_writable(config.outputs)
        prepared, _ = checked_data(config, user_code.prepare, batch=False)
    parts = split_samples(prepared.samples, config.data.split)
    if problems := [*prepared.warnings, *crossing_warnings(prepared.samples, parts)]:
        print(format_problems(problems, resolved(Path(config.outputs, ".cache"))))
    if look:
        print_left_over(look, Path(config.outputs))
    sheet = draw_sheet(prepared, Path(config.outputs) / sheet_name(config, prepared.fingerprint))
    print_facts(prepared, parts, sheet)
    if look:
        print(f"to train: {training_line(look, parts.count('train'))}")


app.command()(report.report)
app.command()(compare.compare)
app.command("list")(listing.list_sweeps)
app.command()(sweeps.status)
app.command()(sweeps.runs)
app.command()(search.search)
app.command()(predict.predict)
app.command()(export.export)


@app.command()
def show(
    run: Annotated[
        str,
        typer.Argument(
            help="id of a run or its start, its name (or SWEEP/NAME), or its folder",
            autocompletion=run_names,
        ),
    ],
    outputs: sweeps.Outputs = Path("outputs"),
) -> None:
    """Print a run's config, history, files, result or failure, and the command to run it again."""
    from segsweep.cli.reproduce import command_of

    sweeps.show_run(run, outputs, lambda paths: command_of(paths, compose_values))


@app.command("evaluate")
def evaluate_sweep(
    sweep: sweeps.SweepArgument,
    data: evaluate.Data = None,
    cells: evaluate.Cells = None,
    name: evaluate.Name = None,
    ensemble: evaluate.Ensemble = None,
    flips: evaluate.Flips = False,
    device: predict.Device = "auto",
    threads: predict.Threads = 0,
    allow: predict.Allow = None,
    outputs: sweeps.Outputs = Path("outputs"),
) -> None:
    """Score the networks of a sweep on another data set: does the ranking carry over?

    Images that a network was trained on are left out. The counts are stored under the sweep, and
    its report has a table of them; the same command again evaluates only what is new. With
    --ensemble: what several networks together score on the sweep's own images; the second
    reading of the test images is logged.
    """
    named = cells or []
    evaluate.check_options(data, ensemble, named, flips, name)
    where = evaluate.Where(sweep, outputs, device, threads, tuple(allow or ()))
    if ensemble is not None:
        evaluate.score(where, ensemble, named[0] if named else None, flips)
    elif data is not None:
        sys.exit(evaluate.evaluate(where, data, named, name, compose_values))


app.command()(remove.rm)


def main() -> None:
    """Run the command line; a user error prints one line and exits with code 2."""
    from segsweep.sweep.planning.hydra_errors import say_warnings_plainly

    say_warnings_plainly()
    StopRequest().install()
    is_help = not sys.argv[1:] or {"-h", "--help"} & {*sys.argv}  # colours, no texts of users
    with nullcontext() if is_help else visible_output():
        _run_app()


def _run_app() -> NoReturn:
    name = "python -m segsweep" if Path(sys.argv[0]).suffix == ".py" else "segsweep"
    if any(word.startswith(COMPLETIONS) for word in sys.argv[1:]):
        name = "segsweep"  # what a shell completes is the command, not Python
    try:
        code = app(standalone_mode=False, prog_name=name)
        if code == STOPPED:  # typer's own answer to an interruption, in newer versions
            raise KeyboardInterrupt
        sys.exit(code)
    except (KeyboardInterrupt, typer.Abort):
        end_of_line = "\n" if sys.stderr.isatty() else ""  # of a line of progress
        print(f"{end_of_line}stopped; run the same command again to go on", file=sys.stderr)
        sys.exit(STOPPED)
    except UsageError as error:
        if error.format_message():  # empty where the help was printed
            print(_usage_line(error), file=sys.stderr)
        sys.exit(2)
    except BrokenPipeError:  # `segsweep ... | head` has read enough
        stop_printing()
        sys.exit(0)
    except Exception as error:
        if not isinstance(error, SegsweepError | OSError) and not _from_hydra(error):
            raise
        print(_told(error), file=sys.stderr)
        sys.exit(2)


def _told(error: Exception) -> str:
    """Return an error's line, with the command that brings lost weights back."""
    if not isinstance(error, WeightsError):
        from segsweep.sweep.planning.hydra_errors import one_line

        text = one_line(error)
        as_options = _command_word() != "data"  # that one takes the words of training
        return text.replace("outputs=<folder>", "--outputs or --out") if as_options else text
    from segsweep.cli.reproduce import command_of
    from segsweep.store.paths import RunPaths

    command = command_of(RunPaths(error.folder), compose_values)
    kept = re.sub(r" keep=(none|last)\b", "", command)  # these removed the weights, and would again
    return f"{error.reason}; to train the run again: {kept}"


def _command_word() -> str:
    """Return the first word of the command line that is no option; empty without one."""
    return next((word for word in sys.argv[1:] if not word.startswith("-")), "")


def _usage_line(error: typer.BadParameter) -> str:
    """Return what is wrong with a command line, with what to do next."""
    path = error.ctx.command_path if error.ctx is not None else "segsweep"
    text = " ".join(error.format_message().split()).rstrip(".")
    word = _command_word()
    if not text.startswith(f"No such command {word!r}"):
        return f"{text}; see `{path} --help`"
    from segsweep.config.validate import nearest
    from segsweep.store.find import sweeps_in
    from segsweep.sweep.planning.plain_words import LOOKING

    if word == "train":
        return "segsweep train: no such command; to train: segsweep-train"
    close = nearest(word, LOOKING)
    if word in [folder.name for folder in sweeps_in(Path("outputs"))]:
        close = f"; for a sweep: `segsweep status {word}`"
    return f"segsweep {word}: no such command; commands are {', '.join(LOOKING)}{close}"


def compose(
    overrides: Sequence[str], config_dir: Path | None = None
) -> tuple["DictConfig", "Mapping[str, str]"]:
    """Return the config that training composes from *overrides*, and the chosen options."""
    from hydra import compose as hydra_compose
    from hydra import initialize_config_dir

    from segsweep.plugins.register import register_schema
    from segsweep.sweep.planning.plain_words import check_plain_words
    from segsweep.sweep.planning.word_values import check_one_value
    from segsweep.system.installation import conf_folder

    if any(word.startswith("-") for word in overrides):
        raise ConfigError(f"{' '.join(overrides)}: only overrides of the form key=value allowed")
    check_plain_words(overrides)
    check_one_value(overrides)
    register_schema()
    search_path = [f"hydra.searchpath=[{resolved(config_dir)}]"] if config_dir else []
    with initialize_config_dir(str(conf_folder()), job_name="segsweep"):
        cfg = hydra_compose("config", [*search_path, *overrides], return_hydra_config=True)
    return cfg, cfg.hydra.runtime.choices


def compose_values(
    overrides: Sequence[str], config_dir: Path | None
) -> tuple["Mapping[str, object]", "Mapping[str, str]"]:
    """Return the resolved values that *overrides* compose to, and the chosen options.

    Hydra raises errors of any class. As in training, they become one line; HYDRA_FULL_ERROR=1
    brings the traceback back.
    """
    from segsweep.sweep.planning.compose import resolve
    from segsweep.sweep.planning.hydra_errors import one_line

    try:
        cfg, choices = compose(overrides, config_dir)
        return resolve(cfg), choices
    except Exception as error:
        if os.environ.get("HYDRA_FULL_ERROR") == "1":
            raise
        raise ConfigError(one_line(error, overrides)) from error


def _from_hydra(error: BaseException) -> bool:
    return type(error).__module__.startswith(("hydra", "omegaconf", "yaml"))


if __name__ == "__main__":
    main()
