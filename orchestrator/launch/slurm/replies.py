"""Understand what `sbatch` answers. Pure."""

import re

from orchestrator.launch.slurm.answers import CommandOutput
from orchestrator.launch.slurm.scheduler import Reply, Submitted

# Words of Slurm's error texts (slurm_errno.c), which have not changed from 20.11 to 25.05.
_FULL = re.compile(
    r"AssocMax|QOSMax|MaxSubmit|submit limit|job submit limit|exceeds? .*(job|submit).* limit"
    r"|Violates accounting/QOS policy|exceed resource limit|Slurm temporarily unable to accept job"
    r"|Job array .*limit",
    re.IGNORECASE,
)
_GONE = re.compile(r"Job dependency problem|Invalid job id", re.IGNORECASE)
_REFUSED = re.compile(
    r"Invalid|Requested node configuration is not available|not permitted|Access/permission denied"
    r"|More processors requested than permitted|Requested time limit is invalid"
    r"|User's group not permitted|unrecognized option|Unable to open file|is not available"
    r"|Pathname of a file, directory or other parameter too long|Batch script",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"(?P<number>\d+)(?:;\S*)?")


def read_reply(output: CommandOutput) -> Submitted:
    """Understand what `sbatch --parsable` printed: a number, perhaps with a cluster's name.

    Whatever is not understood is uncertain: a job may be in the queue for all we know.
    """
    said = output.stderr.decode("utf-8", "replace").strip()
    told = output.stdout.decode("utf-8", "replace").strip()
    found = _NUMBER.fullmatch(told.splitlines()[-1].strip()) if told else None
    if output.code == 0 and found:
        return Submitted(reply=Reply.ACCEPTED, number=int(found["number"]))
    words = said.splitlines()[-1] if said else told or "sbatch said nothing"
    if output.code is None or output.code == 0:
        return Submitted(reply=Reply.UNCERTAIN, words=words)
    for pattern, reply in ((_GONE, Reply.GONE), (_FULL, Reply.FULL), (_REFUSED, Reply.REFUSED)):
        if pattern.search(said):
            return Submitted(reply=reply, words=words)
    return Submitted(reply=Reply.UNCERTAIN, words=words)
