"""What exceptions say about the cause. Pure.

An exception is judged by its type and the form of its message: words such as "timeout" or "CUDA"
alone mean nothing.
"""

import re

from orchestrator.launch.log_signs import Sign, Weight
from orchestrator.launch.tracebacks import Raised
from orchestrator.plan.causes import Cause

_ANY = r".*"
_OS = r"(?:OSError|IOError|PermissionError|RuntimeError|ArrowIOError|HDF5ExtError|SafetensorError)"

# type (whole, without module), message (searched), cause, weight; the first that fits decides.
_EXCEPTIONS: tuple[tuple[re.Pattern[str], re.Pattern[str], Cause, Weight], ...] = tuple(
    (re.compile(rf"(?:{kind})$"), re.compile(message), cause, weight)
    for kind, message, cause, weight in (
        # Shared memory is memory, though the system calls it a device without space.
        (
            _ANY,
            r"unable to (?:write to|allocate|open) (?:file|shared memory)[^\n]*(?:torch_|/dev/shm"
            r"|shared memory)[^\n]*",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            _OS,
            r"(?:\[Errno (?:28|122)\]|[Nn]o space left on device|[Dd]isk quota exceeded"
            r"|errno = (?:28|122)\b|os error (?:28|122)\b)",
            Cause.DISK_FULL,
            Weight.SPECIFIC,
        ),
        (
            r"RuntimeError",
            r"PytorchStreamWriter failed writing file|iostream error|file write failed"
            r"|unexpected pos \d+ vs",
            Cause.DISK_FULL,
            Weight.SPECIFIC,
        ),
        (r"OperationalError", r"database or disk is full", Cause.DISK_FULL, Weight.SPECIFIC),
        (r"OutOfMemoryError", _ANY, Cause.GPU_MEMORY, Weight.SPECIFIC),
        (
            r"\w+",
            r"^(?:CUDA|HIP) out of memory\b|^(?:CUDA|HIP) error: out of memory\b"
            r"|(?:CUBLAS|CUDNN|HIPBLAS)_STATUS_ALLOC_FAILED"
            r"|Cuda failure (?:\d+ )?'out of memory'|CUDA driver error: out of memory",
            Cause.GPU_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"MemoryError|_?ArrayMemoryError|ArrowMemoryError",
            _ANY,
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            _OS,
            r"\[Errno 12\]|Cannot allocate memory|can't allocate memory"
            r"|not enough memory: you tried to allocate",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (
            r"RuntimeError|BrokenProcessPool",
            r"is killed by signal: (?:Killed|Bus error)"
            r"|out of shared memory|std::bad_alloc",
            Cause.HOST_MEMORY,
            Weight.SPECIFIC,
        ),
        (r"DivergedError|FloatingPointError", _ANY, Cause.DIVERGED, Weight.SPECIFIC),
        (
            r"RuntimeError|ValueError|AssertionError|ArithmeticError|\w*Nan\w*|Training\w*",
            r"(?i)\bloss\b[^\n]*\b(?:is|was|became|are|=|:)[^\n]*\b(?:nan|[-+]?inf(?:inity)?"
            r"|not finite|non-?finite)\b|(?:non-?finite|nan|infinite) (?:loss|gradients?)\b"
            r"|returned nan values in its"
            r"|for gradients from `parameters` is non-finite",
            Cause.DIVERGED,
            Weight.SPECIFIC,
        ),
        (
            r"\w*",
            r"uncorrectable (?:ECC|NVLink)|GPU is lost|fallen off the bus"
            r"|CUDA error: (?:the launch failed due to|hardware stack error|unknown error"
            r"|no CUDA-capable device|system not yet initialized|all CUDA-capable devices are busy"
            r"|CUDA-capable device\(s\) is/are busy)|CUDA unknown error"
            r"|Driver/library version mismatch|NVML: (?:Unknown Error|GPU is lost)"
            r"|Cuda failure (?:\d+ )?'(?:uncorrectable|unknown error|hardware)",
            Cause.NODE_FAILURE,
            Weight.SPECIFIC,
        ),
        (
            _OS,
            r"\[Errno 5\]|Input/output error|\[Errno 30\] Read-only file system",
            Cause.NODE_FAILURE,
            Weight.SPECIFIC,
        ),
        (
            r"\w*",
            r"ncclInvalidUsage|ncclInvalidArgument|Duplicate GPU detected",
            Cause.BUG,
            Weight.SPECIFIC,
        ),
        (
            r"\w*Error",
            r"\[Errno (?:116|107|108)\]|Stale file handle|Transport endpoint",
            Cause.NETWORK,
            Weight.SPECIFIC,
        ),
        (r"Dist(?:Network|Backend|Store)?Error", _ANY, Cause.NETWORK, Weight.BROKEN_LINK),
        (r"Rendezvous\w+Error|CommunicationTimeoutError", _ANY, Cause.NETWORK, Weight.BROKEN_LINK),
        (
            r"RuntimeError",
            r"^NCCL (?:error|communicator|Error)|NCCL communicator was aborted"
            r"|^\[\S*gloo/|gloo/transport|^\[?c10d|Connection (?:closed|reset) by peer"
            r"|Socket Timeout|client socket has (?:failed|timed out)|(?i:wait timeout after \d+ms)"
            r"|Timed out waiting \d+ms for|ProcessGroupNCCL|Watchdog caught collective",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"ConnectionError|ConnectTimeout|ReadTimeout|ConnectTimeoutError|ConnectError"
            r"|ReadTimeoutError|MaxRetryError|ProxyError|SSLError|ProtocolError|ChunkedEncodingError"
            r"|RemoteDisconnected|IncompleteRead|gaierror|NewConnectionError|NameResolutionError"
            r"|ClientConnectorError|ServerDisconnectedError|EndpointConnectionError"
            r"|ConnectionResetError|ConnectionRefusedError|ConnectionAbortedError"
            r"|LocalEntryNotFoundError",
            _ANY,
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"(?:HfHub)?HTTPError|HTTPStatusError|HfHubHTTPError",
            r"\b(?:429|500|502|503|504)\b",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"OSError|TimeoutError|URLError|RuntimeError",
            r"\[Errno (?:98|99|100|101|104|110|111|113|-2|-3)\]|EADDRINUSE"
            r"|Network is unreachable|No route to host|Temporary failure in name resolution"
            r"|We couldn't connect to|urlopen error",
            Cause.NETWORK,
            Weight.BROKEN_LINK,
        ),
        (
            r"DataError|ReadError|UnidentifiedImageError|BadZipFile|BadGzipFile|ArrowInvalid"
            r"|DecodingError|DataFilesNotFoundError|DatasetGenerationError|LZMAError",
            _ANY,
            Cause.DATA,
            Weight.SPECIFIC,
        ),
        (
            r"error",
            r"^Error -\d while decompressing|incorrect header check",
            Cause.DATA,
            Weight.SPECIFIC,
        ),
        (r"EOFError", r"[Cc]ompressed file ended before", Cause.DATA, Weight.SPECIFIC),
        (
            _OS + r"|SyntaxError",
            r"image file is truncated|broken data stream when reading image"
            r"|broken PNG file|Parquet magic bytes not found|not a Parquet file",
            Cause.DATA,
            Weight.SPECIFIC,
        ),
        (
            r"FileNotFoundError|OSError|ValueError",
            r"\w\.(?:tar|tar\.gz|jsonl|jsonl\.zst|parquet|arrow)\b",
            Cause.DATA,
            Weight.SPECIFIC,
        ),
        (r"RecordError", _ANY, Cause.INPUT, Weight.SPECIFIC),
        (
            r"SafetensorError",
            r"deserializing header|Header\w+|MetadataIncompleteBuffer",
            Cause.INPUT,
            Weight.SPECIFIC,
        ),
        (r"RuntimeError", r"PytorchStreamReader failed", Cause.INPUT, Weight.SPECIFIC),
        (r"ConfigError|PlanError|LaunchError", _ANY, Cause.CONFIG, Weight.SPECIFIC),
        (r"LeaseHeldError", _ANY, Cause.LEASE_HELD, Weight.SPECIFIC),
        (r"BrokenProcessPool", _ANY, Cause.UNKNOWN, Weight.AFTERMATH),
        (r"KeyboardInterrupt", _ANY, Cause.CANCELLED, Weight.AFTERMATH),
        (
            r"ChildFailedError|SignalException|SystemExit|CalledProcessError|BrokenPipeError"
            r"|StoppedError",
            _ANY,
            Cause.UNKNOWN,
            Weight.AFTERMATH,
        ),
        (
            r"RuntimeError",
            r"^DataLoader worker \(pid\(?s?\)? ?[^\n]*exited unexpectedly"
            r"|Pin memory thread exited",
            Cause.UNKNOWN,
            Weight.AFTERMATH,
        ),
    )
)

_SIDE_FRAMES = re.compile(r"/(?:wandb|sentry_sdk)/")
_PIPE_FRAMES = re.compile(r"/multiprocessing/(?:connection|resource_sharer|queues)\.py$")


def sign_of(raised: Raised) -> Sign | None:
    """Return what an exception says; None if it comes from a helper that never stops a run."""
    if _SIDE_FRAMES.search(raised.innermost) or raised.kind.startswith("wandb."):
        return None
    cause, weight = Cause.BUG, Weight.ERROR
    if _PIPE_FRAMES.search(raised.innermost):
        cause, weight = Cause.UNKNOWN, Weight.AFTERMATH
    else:
        for kind, message, fitting, fitting_weight in _EXCEPTIONS:
            if kind.match(raised.name) and message.search(raised.message):
                cause, weight = fitting, fitting_weight
                break
    return Sign(cause=cause, weight=weight, line=raised.line, told=raised.told)
