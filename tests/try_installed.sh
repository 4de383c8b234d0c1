#!/usr/bin/env bash
# What segsweep must do where nothing is installed but the wheel and what the wheel asks for.
# usage: try_installed.sh BIN, the folder of the environment's commands
set -euo pipefail
bin=$(realpath "$1")
expected=$(sed -n 's/^__version__ = "\(.*\)"$/\1/p' "$(dirname "$0")/../segsweep/__init__.py")
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cd "$folder"
unset PYTHONPATH
export PYTHONWARNINGS=error::DeprecationWarning:segsweep

say() { echo "installed wheel: $*"; }
fail() { echo "installed wheel: $*" >&2; exit 1; }

say "version, and where the package is"
[ "$("$bin/segsweep" --version)" = "$expected" ] || fail "another version: $("$bin/segsweep" --version)"
"$bin/python" -c 'import segsweep, sys; assert segsweep.__file__.startswith(sys.prefix), segsweep.__file__'

say "a grid, its report, its tables"
"$bin/segsweep-train" -m experiment=demo model=unet,unet2 loss=bce,dice seed=0,1,2 trainer.epochs=2 > log
for file in comparison.csv results.csv pairs.csv report.html; do
  [ -s "outputs/demo/$file" ] || fail "no $file after a sweep"
done
[ "$(wc -l < outputs/demo/comparison.csv)" = 5 ] || fail "comparison.csv has not four cells"
"$bin/segsweep" report demo > log
grep -q "unet2/dice" log || fail "segsweep report does not show unet2/dice"

say "a search per cell, and Hydra's Optuna sweeper"
"$bin/segsweep-train" -m experiment=demo model=unet search=lr search.n_trials=2 trainer.epochs=2 sweep=search > log
[ "$(wc -l < outputs/search/chosen.csv)" = 2 ] || fail "the search chose nothing"
"$bin/segsweep-train" -m experiment=optuna_lr data=synthetic data.count=40 data.size=32 trainer=quick \
  trainer.epochs=2 model=unet hydra.sweeper.n_trials=2 > log

say "the winner in use"
mkdir photos
"$bin/python" - <<'EOF'
import numpy as np
from PIL import Image

Image.fromarray(np.random.default_rng(0).integers(0, 255, (70, 90, 3), dtype=np.uint8)).save("photos/a.png")
EOF
"$bin/segsweep" predict demo --images photos --out used > log
[ -s used/masks/a.png ] || fail "predict wrote no mask"

say "an extra that is not installed is one line"
code=0
"$bin/segsweep" export demo --format onnx --out net 2> log > /dev/null || code=$?
[ "$code" = 2 ] && grep -q "pip install 'segsweep\[export\]'" log || fail "export without its extra: exit code $code, $(cat log)"
say "all holds"
