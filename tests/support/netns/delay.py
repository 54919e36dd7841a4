"""A line between two network namespaces: packets of one arrive in the other after a while, in order.

python3 delay.py MILLISECONDS HERE OTHER_NAMESPACE THERE makes the device HERE in the namespace that it is started in and THERE in the
other, says `ready`, and carries packets until its standard input ends. The kernel's own delay (tc netem) is a module that many
kernels lack.
"""
import collections
import ctypes
import fcntl
import os
import select
import struct
import sys
import time

TUNSETIFF = 0x400454CA
IFF_TUN = 0x0001
IFF_NO_PI = 0x1000
CLONE_NEWNET = 0x40000000
MOST_WAITING = 4096
LARGEST = 65536


def device(name):
    """A TUN device in the namespace of this process."""
    line = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(line, TUNSETIFF, struct.pack("16sH", name.encode(), IFF_TUN | IFF_NO_PI))
    return line


def enter(namespace):
    """Moves this process into a namespace of `ip netns`."""
    libc = ctypes.CDLL(None, use_errno=True)
    with open(f"/run/netns/{namespace}", "rb") as other:
        if libc.setns(other.fileno(), CLONE_NEWNET) != 0:
            raise OSError(ctypes.get_errno(), f"setns {namespace}")


def carry(here, there, delay):
    """Carries packets both ways until standard input ends."""
    ways = [(here, there, collections.deque()), (there, here, collections.deque())]
    while True:
        now = time.monotonic()
        for _, out, waiting in ways:
            while waiting and waiting[0][0] <= now:
                try:
                    os.write(out, waiting.popleft()[1])
                except OSError:
                    pass  # the device is not up yet, or its queue is full: a line loses packets
        due = [waiting[0][0] for _, _, waiting in ways if waiting]
        timeout = max(0.0, min(due) - time.monotonic()) if due else None
        readable, _, _ = select.select([here, there, sys.stdin], [], [], timeout)
        if sys.stdin in readable and not os.read(sys.stdin.fileno(), 1):
            return
        for source, _, waiting in ways:
            if source in readable:
                packet = os.read(source, LARGEST)
                if len(waiting) < MOST_WAITING:
                    waiting.append((time.monotonic() + delay, packet))


def main():
    delay, here, namespace, there = float(sys.argv[1]) / 1000, *sys.argv[2:5]
    near = device(here)
    enter(namespace)
    far = device(there)
    print("ready", flush=True)
    carry(near, far, delay)


main()
