"""Look at what a study needs: its data, its place in a profile, its account at W&B."""

import netrc
import os
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

from orchestrator.doctor.finding import Finding, doubt, well, wrong
from orchestrator.errors import SweepError
from orchestrator.launch.slurm.asks import asks_for
from orchestrator.plan.actions import Action, Verb
from orchestrator.plan.plan import Plan
from orchestrator.spec.execution import Device
from orchestrator.spec.launch import Tracking
from orchestrator.spec.profile import Profile
from orchestrator.store.data_folder import collection_folder, is_made, source_folder

WANDB_HOST = "api.wandb.ai"


def check_data(plan: Plan, data_root: Path) -> Iterator[Finding]:
    """Say which of a plan's data is missing. Contents are `sweep data check`'s."""
    made = {item.name: item for item in plan.made}
    for item in made.values():
        folder = collection_folder(data_root, item.name, item.version)
        if is_made(data_root, item):
            yield well("data", f"{item.name} is at {folder}")
        else:
            yield doubt("data", f"{item.name} is not made yet", "nothing: the launch makes it")
    for source in plan.sources:
        folder = source_folder(data_root, source)
        if source.collection in made:
            continue
        if folder.is_dir():
            yield well("data", f"{source.name} is at {folder}; sweep data check looks into it")
        else:
            mend = f"put it at {folder}, or give --data the folder that holds it"
            yield wrong("data", f"{source.name} at version {source.version} is not there", mend)


def check_shapes(plan: Plan, profile: Profile, device: Device) -> Iterator[Finding]:
    """See whether every run has a place on the cluster."""
    actions = [Action(verb=Verb.SUBMIT, run_id=run.run_id, reason="") for run in plan.runs]
    try:
        shapes = {ask.shape for ask in asks_for(plan, actions, profile, device)}
    except SweepError as error:
        yield wrong("places", f"{error.what} ({error.where})", error.mend)
        return
    widest = max((shape.nodes for shape in shapes), default=0)
    yield well("places", f"every run has one: {len(shapes)} shapes of job, up to {widest} nodes")


def check_tracking(tracking: Tracking) -> Iterator[Finding]:
    """See whether runs can be told to Weights & Biases. No network is asked."""
    if tracking is Tracking.OFF:
        yield well("w&b", "off; `launch: {tracking: wandb}` in the study turns it on")
    elif find_spec("wandb") is None:
        yield wrong("w&b", "wandb is not installed", "pip install wandb")
    elif os.environ.get("WANDB_MODE") in ("offline", "dryrun"):
        yield well("w&b", "offline; `sweep sync` sends it later")
    elif "WANDB_API_KEY" in os.environ or _in_netrc():
        yield well("w&b", "a login is there")
    else:
        mend = "wandb login, or WANDB_MODE=offline and `sweep sync` later"
        yield wrong("w&b", "nobody is logged in: runs would go on without it", mend)


def _in_netrc() -> bool:
    host = os.environ.get("WANDB_BASE_URL", WANDB_HOST).removeprefix("https://").split("/")[0]
    try:
        return netrc.netrc().authenticators(host) is not None
    except (OSError, netrc.NetrcParseError):
        return False
