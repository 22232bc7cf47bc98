"""The set of servers that are followed: bounded, of two kinds, and told to the kernel once a second at most."""

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from discovery.follow_filter import program
from discovery.following import MAX_NAMELESS, MAX_SERVICES, Following, Interest
from discovery.kernel_filter import ETHERNET


class Kernel:
    """Takes programs of up to `most` bytes."""

    def __init__(self, most=1 << 20):
        self.programs, self.most = [], most

    def __call__(self, code):
        if len(code) > self.most:
            raise OSError(errno.ENOMEM, "Cannot allocate memory")
        self.programs.append(code)


def following(*kernels, nameless=True):
    return Following(kernels, ETHERNET, nameless=nameless)


def test_what_is_of_interest_comes_into_every_part_once():
    one, other = Kernel(), Kernel()
    follow = following(one, other)
    assert not follow.renew(0.0)
    follow.note([Interest("192.0.2.1"), Interest("2001:db8::1", nameless=True), Interest("192.0.2.1")])
    assert follow.renew(0.0)
    assert one.programs == other.programs == [program(ETHERNET, ["192.0.2.1", "2001:db8::1"])]
    follow.note([Interest("192.0.2.1")])
    assert not follow.renew(9.0), "nothing new"


def test_the_kernel_is_told_at_most_once_a_second():
    kernel = Kernel()
    follow = following(kernel)
    for step in range(40):
        follow.note([Interest(f"192.0.2.{step}")])
        follow.renew(step / 10)
    assert len(kernel.programs) == 4
    follow.note([Interest("192.0.2.99")])
    assert follow.renew(1.0), "a clock that was set back is no reason to wait"
    assert kernel.programs[-1] == program(ETHERNET, follow.addresses)


def test_the_newest_stay_and_no_flood_of_one_kind_drives_out_the_other():
    follow = following(Kernel())
    follow.note(Interest(f"192.0.2.{number}") for number in range(MAX_SERVICES + 3))
    follow.note([Interest("192.0.2.3")])
    follow.note(Interest(f"198.51.{number % 256}.{number // 256}", nameless=True) for number in range(1000))
    assert len(follow.addresses) == MAX_SERVICES + MAX_NAMELESS
    assert not {"192.0.2.0", "192.0.2.2"} & set(follow.addresses)
    assert {"192.0.2.3", "192.0.2.34", "198.51.231.3"} <= set(follow.addresses)


def test_who_names_nobody_is_followed_only_where_that_is_switched_on():
    follow = following(Kernel(), nameless=False)
    follow.note([Interest("192.0.2.1", nameless=True)])
    assert (follow.addresses, follow.renew(1.0)) == ((), False)


def test_a_kernel_with_little_room_is_given_fewer():
    kernel = Kernel(most=8 * 60)
    follow = following(kernel)
    follow.note(Interest(f"192.0.2.{number}") for number in range(32))
    assert follow.renew(1.0)
    assert follow.addresses == tuple(f"192.0.2.{number}" for number in range(24, 32)), "the newest"
    follow.note([Interest("192.0.2.77")])
    assert follow.renew(3.0)
    assert len(follow.addresses) == 8


def test_another_refusal_is_told():
    def locked(_code):
        raise PermissionError(errno.EPERM, "Operation not permitted")

    follow = following(locked)
    follow.note([Interest("192.0.2.1")])
    with pytest.raises(PermissionError):
        follow.renew(1.0)


@given(st.lists(st.tuples(st.text(max_size=12) | st.ip_addresses().map(str), st.booleans()), max_size=100))
def test_any_texts_leave_a_bounded_set_of_addresses(wanted):
    follow = following(Kernel())
    follow.note(Interest(*each) for each in wanted)
    follow.renew(1.0)
    assert len(follow.addresses) <= MAX_SERVICES + MAX_NAMELESS
