"""The memory of the process."""

import platform
import subprocess
import sys

import pytest

# Large blocks between small ones that stay, after a larger one was freed.
SCRIPT = """
import sys
if sys.argv[1] == "returned":
    from source_clockify.memory import return_large_blocks
    return_large_blocks()

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096

del [bytearray(b"x") * (16 << 20)][0]
before = resident()
held = [(bytearray(b"x") * (2 << 20), bytearray(b"x") * 600) for _ in range(50)]
held = [small for _, small in held]
print(resident() - before)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_memory_of_large_blocks_goes_back_to_the_system() -> None:
    kept, returned = (
        int(subprocess.check_output([sys.executable, "-c", SCRIPT, how]))
        for how in ("kept", "returned")
    )
    assert returned < 20_000_000
    assert kept > 50_000_000
