"""The places where runs execute: this machine, or one of Hydra's launchers."""
