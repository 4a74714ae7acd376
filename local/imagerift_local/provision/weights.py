"""The models' networks beside the packaged ones, by the tool that lies beside the models."""

from __future__ import annotations

from pathlib import Path

from imagerift_local.errors import PlatformError, RouteUnavailableError
from imagerift_local.provision.commands import Report, run_logged
from imagerift_local.provision.routes import Provision
from imagerift_local.settings import CHECKOUT, PACKAGED, PlatformSettings

TOOL = CHECKOUT / "triton_models" / "tools" / "weights.py"


def weights_folder(settings: PlatformSettings) -> Path:
    """Where the networks lie, whether they are used or not."""
    own = settings.weights and settings.weights != PACKAGED
    return Path(settings.weights if own else settings.cache_dir / "weights").absolute()


def provision_weights(settings: PlatformSettings, triton: Provision, report: Report) -> Provision:
    """The folder, for which better networks were tried; its version tells which are in use."""
    folder, told = weights_folder(settings), [""]
    command = [str(triton.files["python"]), str(TOOL), "--folder", str(folder)]

    def hear(line: str) -> None:
        told.append(line)
        report(line)

    try:
        log = settings.cache_dir / "logs" / "weights.log"
        run_logged([*command, "told" if settings.weights else "try"], log=log, report=hear)
    except RouteUnavailableError as error:
        reason = str(error).splitlines()[-1].strip()
        raise PlatformError(f"the networks in {folder} cannot be used: {reason}") from None
    return Provision({"folder": folder}, told[-1], str(folder))
