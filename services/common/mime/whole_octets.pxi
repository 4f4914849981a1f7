# Octets, for whole.pyx, of which this is a part. All that touches memory itself is in `_cut`, `_find`,
# `_count_lines`, and `add`, `put_octet` and `since` of `_Wire`, and checks its limits. (A slice of
# Cython's own costs three times as much.) The rest goes by indexes, which Cython checks.

from cpython.bytearray cimport PyByteArray_AS_STRING, PyByteArray_FromStringAndSize
from cython cimport final, no_gc
from libc.string cimport memchr, memcpy


cdef inline bytes _cut(bytes octets, Py_ssize_t start, Py_ssize_t end):
    """octets[start:end], without a slice object."""
    if not 0 <= start <= end <= len(octets):
        raise IndexError("no such octets")
    return (<const char*> octets)[start:end]


cdef inline Py_ssize_t _find(bytes octets, char wanted, Py_ssize_t start, Py_ssize_t end) except -2:
    """octets.find(wanted, start, end)."""
    if not 0 <= start <= end <= len(octets):
        raise IndexError("no such octets")
    cdef const char* base = octets
    cdef const char* found = <const char*> memchr(base + start, wanted, end - start)
    return -1 if found == NULL else found - base


cdef inline bint _is_ascii(bytes octets) except -1:
    """octets.isascii(), by a loop that compilers turn into one of 16 octets at a time."""
    cdef unsigned char octet, seen = 0
    for octet in octets:
        seen |= octet
    return seen < 0x80


cdef Py_ssize_t _count_lines(bytes octets, Py_ssize_t start, Py_ssize_t end) except -2:
    """Line feeds in octets[start:end]; the last line counts without one too. The same sort of loop."""
    cdef unsigned char octet, block
    cdef Py_ssize_t at = start, stop, count = 0
    if not 0 <= start <= end <= len(octets):
        raise IndexError("no such octets")
    while at < end:
        stop, block = min(at + 255, end), 0
        for octet in (<const unsigned char*> octets)[at:stop]:
            block += 1 if octet == c"\n" else 0
        count += block
        at = stop
    return count + (end > start and octets[end - 1] != c"\n")


@final
@no_gc
cdef class _Wire:
    """Octets being put together. What was put last is taken back by setting `size`."""

    cdef bytearray room
    cdef Py_ssize_t size

    def __cinit__(self):
        self.room = PyByteArray_FromStringAndSize(NULL, 500)

    cdef int add(self, bytes octets, Py_ssize_t start, Py_ssize_t end) except -1:
        cdef Py_ssize_t length = end - start
        if not (0 <= start <= end <= len(octets) and self.size >= 0):
            raise IndexError("no such octets")
        if self.size + length > len(self.room):
            self.room.extend(bytes(self.size + length))
        memcpy(PyByteArray_AS_STRING(self.room) + self.size, <const char*> octets + start, length)
        self.size += length
        return 0

    cdef bytes since(self, Py_ssize_t start):
        """What was put from there on."""
        if not 0 <= start <= self.size <= len(self.room):
            raise IndexError("no such octets")
        return PyByteArray_AS_STRING(self.room)[start:self.size]

    cdef bytes take(self, Py_ssize_t start):
        """The same, taken back."""
        cdef bytes octets = self.since(start)
        self.size = start
        return octets

    cdef int put(self, bytes octets) except -1:
        return self.add(octets, 0, len(octets))

    cdef inline int put_octet(self, unsigned char octet) except -1:
        if not 0 <= self.size < len(self.room):
            return self.add(bytes((octet,)), 0, 1)
        PyByteArray_AS_STRING(self.room)[self.size] = <char> octet
        self.size += 1
        return 0

    cdef inline unsigned char last(self) except? 0:
        return self.room[self.size - 1]

    cdef int add_upper(self, bytes octets, Py_ssize_t start, Py_ssize_t end) except -1:
        cdef Py_ssize_t at, first = self.size
        self.add(octets, start, end)
        for at in range(first, self.size):
            if c"a" <= self.room[at] <= c"z":
                self.room[at] -= 32
        return 0

    cdef int add_number(self, Py_ssize_t number) except -1:
        if number > 9:
            self.add_number(number // 10)
        return self.add(b"0123456789", number % 10, number % 10 + 1)


cdef inline bint _is_space(unsigned char c) noexcept:
    return c == c" " or c"\t" <= c <= c"\r"


cdef inline bint _is_blank(unsigned char c) noexcept:
    return c == c" " or c == c"\t"


cdef inline bint _is_digit(unsigned char c) noexcept:
    return c"0" <= c <= c"9"


cdef inline bint _is_letter(unsigned char c) noexcept:
    return c"a" <= (c | 0x20) <= c"z"


cdef inline bint _is_visible(unsigned char c) noexcept:
    return c" " < c <= c"~"


cdef inline bint _is_name(unsigned char c) noexcept:  # ftext (RFC 5322 §3.6.8)
    return _is_visible(c) and c != c":"


cdef inline bint _is_token(unsigned char c) noexcept:  # RFC 2045 §5.1
    return (
        c"^" <= c <= c"~" or c"A" <= c <= c"Z" or c"0" <= c <= c"9" or c"#" <= c <= c"'"
        or c == c"!" or c == c"*" or c == c"+" or c == c"-" or c == c"."
    )


cdef inline bint _is_atom(unsigned char c) noexcept:  # RFC 5322 §3.2.3, dots included
    return _is_token(c) or c == c"/" or c == c"=" or c == c"?"


cdef inline bint _is_plain(unsigned char c) noexcept:  # needs nothing but the quotes around it
    return 0 < c < 0x80 and c != c"\n" and c != c"\r" and c != c'"' and c != c"\\"


cdef inline bint _is_bare(unsigned char c) noexcept:  # in a value that should be quoted and is not
    return _is_plain(c) and c" " < c < 0x7F and c != c";" and c != c"(" and c != c")"


cdef Py_ssize_t _after_space(bytes octets, Py_ssize_t at) except -1:
    cdef Py_ssize_t size = len(octets)
    while at < size and _is_space(octets[at]):
        at += 1
    return at


cdef Py_ssize_t _after_token(bytes octets, Py_ssize_t at) except -1:
    cdef Py_ssize_t size = len(octets)
    while at < size and _is_token(octets[at]):
        at += 1
    return at


cdef Py_ssize_t _after_atom(bytes octets, Py_ssize_t at) except -1:
    cdef Py_ssize_t size = len(octets)
    while at < size and _is_atom(octets[at]):
        at += 1
    return at


cdef Py_ssize_t _after_plain(bytes octets, Py_ssize_t at) except -1:
    cdef Py_ssize_t size = len(octets)
    while at < size and _is_plain(octets[at]):
        at += 1
    return at


cdef bint _says(bytes octets, Py_ssize_t start, Py_ssize_t end, bytes word) except -1:
    """Whether octets[start:end] is the word, which is in lower case."""
    cdef Py_ssize_t at
    cdef unsigned char c
    if end - start != len(word):
        return False
    for at in range(len(word)):
        c = octets[start + at]
        if c"A" <= c <= c"Z":
            c += 32
        if c != <unsigned char> word[at]:
            return False
    return True
