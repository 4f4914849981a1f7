# cython: language_level=3, boundscheck=True, wraparound=False, nonecheck=True
"""The scanner's fast twin: for a message that is there whole and of a shape nearly all mail has.

The reference is the Python scanner (`walk.py` and what it calls). This finds the same,
octet for octet, and leaves to it what is unusual: one value to the function that reads
such values there, a whole message by answering None. Tests hold the two side by side.

Hostile octets find no pointers here: they are read by indexes that Cython checks, and by
the few functions in `whole_octets.pxi` that check their limits themselves.
"""

from datetime import date

from services.common.mime.address import MAX_ADDRESSES as _MAX_ADDRESSES
from services.common.mime.address import address_list
from services.common.mime.content import TEXT_PLAIN, content_type, disposition_wire, language_wire
from services.common.mime.content import transfer_encoding
from services.common.mime.delimiters import MAX_BOUNDARY as _MAX_BOUNDARY
from services.common.mime.delimiters import MAX_LINE as _MAX_LINE
from services.common.mime.envelope import sent_date
from services.common.mime.header import unfold
from services.common.mime.scan import Part, Scan
from services.common.mime.text import MAX_PREVIEW as _MAX_PREVIEW
from services.common.mime.text import PREVIEW_OCTETS as _PREVIEW_OCTETS
from services.common.mime.text import preview
from services.common.mime.walk import MAX_MESSAGE_ID
from services.common.mime.wire import quote

# All well below the limits of the Python scanner, which so are its own affair.
cdef Py_ssize_t MAX_WHOLE = 64 * 1024  # MAX_HEADER
cdef Py_ssize_t MAX_VALUE = 16 * 1024  # MAX_FIELD
cdef Py_ssize_t MAX_PARTS = 100
cdef Py_ssize_t MAX_DEPTH = 20
cdef Py_ssize_t MAX_PARAMETERS = 20

cdef Py_ssize_t MAX_ID = MAX_MESSAGE_ID, MAX_ADDRESSES = _MAX_ADDRESSES, MAX_BOUNDARY = _MAX_BOUNDARY
cdef Py_ssize_t MAX_LINE = _MAX_LINE, MAX_PREVIEW = _MAX_PREVIEW, PREVIEW_OCTETS = _PREVIEW_OCTETS
cdef object new = tuple.__new__


class Unusual(Exception):
    """The Python scanner has to do it."""


include "whole_octets.pxi"
include "whole_values.pxi"
include "whole_content.pxi"
include "whole_text.pxi"


@final
@no_gc
cdef class _Entity:
    cdef Py_ssize_t level, header_start, body_start, end
    cdef list children
    cdef _Content content
    cdef bint has_delimiters


def scan_whole(bytes octets not None):
    """What the Python scanner finds; None: it has to do it."""
    if len(octets) > MAX_WHOLE:
        return None
    try:
        return _scan(octets)
    except (Unusual, IndexError):  # an index past the end would be a mistake here, and no harm
        return None


cdef object _scan(bytes octets):
    cdef _Walk walk = _Walk.__new__(_Walk)
    walk.octets = octets
    walk.run()
    cdef _Entity top = walk.top
    cdef list parts = []
    _add_structure(walk.out, octets, top)
    structure = walk.out.take(0)
    if top.children is None:
        _add_part(parts, top, (1,))
    else:
        _add_children(parts, top, ())
    return new(Scan, (
        len(octets), _envelope(walk.out, walk.values), structure, _cut(octets, 0, top.body_start),
        top.body_start, walk.fields, _message_id(walk.values[MESSAGE_ID]), _sent_date(walk.values[DATE]),
        walk.text or b"", tuple(parts), _is_ascii(octets) and _find(octets, 0, 0, len(octets)) < 0,
    ))


# The entities.


@final
@no_gc
cdef class _Walk:
    """As in walk.py, for all octets at once."""

    cdef bytes octets, text  # None: no text for the preview was found yet
    cdef _Wire out
    cdef list open, fields, values
    cdef Py_ssize_t part_count
    cdef Py_ssize_t multiparts  # how many are open and not closed by a delimiter of their own
    cdef Py_ssize_t newline, after  # around the delimiter that comes next
    cdef Py_ssize_t empty, empty_end  # of the empty line that comes next
    cdef _Entity top
    cdef _Entity multipart  # whose delimiter that is; None: there is none
    cdef bint closes

    def __cinit__(self):
        self.out = _Wire.__new__(_Wire)
        self.open, self.fields, self.values = [], [], NO_VALUES.copy()
        self.empty = -1

    cdef int run(self) except -1:
        cdef Py_ssize_t position = 0, stop, size = len(self.octets)
        cdef bint complete
        cdef _Entity entity = self.begin(0)  # None: no header begins at the position
        self.top = entity
        while True:
            if entity is not None:
                self.find_empty(position)
            # Up to where the header ends, and then on: no octet is looked at more than a few times.
            stop = self.find_delimiter(position, size if entity is None else self.empty)
            if entity is not None:
                complete = self.read_header(entity, position, stop)
                position = entity.body_start
                if entity.content.boundary is not None:
                    entity.has_delimiters = True
                    self.multiparts += 1
                if complete or self.multipart is None:
                    stop = self.find_delimiter(position, size)
                if entity.content.boundary is None and stop > position and self.text is None:
                    self.show(entity, position, stop)
            if self.multipart is None:
                return self.close(0, size)
            self.close(self.multipart.level + 1, stop)
            position = self.after
            entity = None
            if self.closes:
                self.end_multipart(self.multipart)
            else:
                entity = self.begin(position)
                if self.multipart.children is None:
                    self.multipart.children = []
                self.multipart.children.append(entity)

    cdef _Entity begin(self, Py_ssize_t position):
        cdef _Entity entity = _Entity.__new__(_Entity)
        entity.header_start = entity.body_start = position
        entity.level = len(self.open)
        self.open.append(entity)
        self.part_count += 1
        if self.part_count > MAX_PARTS or entity.level > MAX_DEPTH:
            raise Unusual
        return entity

    cdef int close(self, Py_ssize_t count, Py_ssize_t stop) except -1:
        """Ends all open entities but the outer `count`."""
        cdef _Entity entity
        if len(self.open) == count:
            return 0
        entity = self.open[len(self.open) - 1]
        stop = max(stop, entity.body_start)
        while len(self.open) > count:
            entity = self.open.pop()
            entity.end = stop
            self.end_multipart(entity)
        return 0

    cdef int end_multipart(self, _Entity entity) except -1:
        if entity.has_delimiters:
            entity.has_delimiters = False
            self.multiparts -= 1
        return 0

    cdef Py_ssize_t find_delimiter(self, Py_ssize_t position, Py_ssize_t stop) except -1:
        """The first of any open multipart from the position on that begins before `stop`.

        Answers where what is before it ends: the line break belongs to it (RFC 2046 §5.1.1).
        """
        cdef Py_ssize_t end, size = len(self.octets), start = position - 1
        self.multipart = None
        if self.multiparts == 0:
            return size
        while True:
            # Hyphens are rarer than lines.
            start = _find(self.octets, c"-", start + 1, stop)
            if start < 0 or start + 2 > size:
                return size
            if self.octets[start + 1] != c"-" or start == 0 or self.octets[start - 1] != c"\n":
                continue
            self.newline = start - 1
            end = _find(self.octets, c"\n", start, min(start + MAX_LINE, size))
            self.after = end + 1
            if end < 0:
                if size >= start + MAX_LINE:
                    continue
                end = self.after = size
            while _is_blank(self.octets[end - 1]) or self.octets[end - 1] == c"\r":
                end -= 1
            if self.is_delimiter(start + 2, end):
                end = self.newline
                return end - 1 if end > 0 and self.octets[end - 1] == c"\r" else end

    cdef bint is_delimiter(self, Py_ssize_t start, Py_ssize_t end) except -1:
        """Whether a line is, behind its "--". One of two multiparts is the inner one's."""
        cdef _Entity multipart
        cdef Py_ssize_t place, at, rest
        for place in range(len(self.open) - 1, -1, -1):
            multipart = self.open[place]
            if not multipart.has_delimiters:
                continue
            rest = end - start - len(multipart.content.boundary)
            if rest == 0 or rest == 2 and self.octets[end - 2] == self.octets[end - 1] == c"-":
                for at in range(len(multipart.content.boundary)):
                    if self.octets[start + at] != multipart.content.boundary[at]:
                        break
                else:
                    self.multipart, self.closes = multipart, rest == 2
                    return True
        return False

    cdef bint read_header(self, _Entity entity, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Answers whether it has its empty line before the delimiter."""
        cdef bint complete = self.multipart is None and self.empty_end >= 0
        cdef Py_ssize_t end = self.empty_end if complete else max(start, stop)
        cdef bytes name
        entity.body_start = end
        if entity is self.top:
            _read_fields(self.octets, start, end, self.values, self.fields)
            entity.content = _read_content(self.out, self.values)
        else:
            entity.content = _content_of_block(self.out, self.octets, start, end)
        name = entity.content.name
        # A message in a message, or what takes its parts for such.
        if name == b"MESSAGE/RFC822" or name == b"MULTIPART/DIGEST":
            raise Unusual
        return complete

    cdef int find_empty(self, Py_ssize_t line) except -1:
        """The first from the line on; none: it is where the octets end, and ends at -1."""
        cdef Py_ssize_t size = len(self.octets)
        if self.empty >= line:
            return 0
        while line < size:
            if self.octets[line] == c"\n":
                self.empty, self.empty_end = line, line + 1
                return 0
            if self.octets[line] == c"\r" and line + 1 < size and self.octets[line + 1] == c"\n":
                self.empty, self.empty_end = line, line + 2
                return 0
            line = _find(self.octets, c"\n", line, size) + 1
            if line == 0:
                break
        self.empty, self.empty_end = size, -1
        return 0

    cdef int show(self, _Entity entity, Py_ssize_t start, Py_ssize_t stop) except -1:
        """Makes the preview, if this is the text for it: one that is not attached, nor white space."""
        cdef bytes name = entity.content.name
        if entity.content.is_attachment or not (name == b"TEXT/PLAIN" or name == b"TEXT/HTML"):
            return 0
        stop = min(stop, start + PREVIEW_OCTETS)
        if _after_space(self.octets, start) < stop:
            self.text = _preview(self.out, self.octets, start, stop, entity.content)
        return 0


# What is rendered.


cdef int _add_structure(_Wire out, bytes octets, _Entity entity) except -1:
    """BODYSTRUCTURE (RFC 9051 §7.5.2)."""
    cdef _Entity child
    cdef _Content content = entity.content
    out.put_octet(c"(")
    if entity.children is not None:
        for child in entity.children:
            _add_structure(out, octets, child)
        out.put_octet(c" ")
        out.put(content.subtype)
    else:
        if content.boundary is not None:
            # A multipart without parts is one text. (This content is not among those remembered.)
            _set_type(content, TEXT_PLAIN)
        out.put(content.wire)
        out.put_octet(c" ")
        out.put(content.fixed)
        out.put_octet(c" ")
        out.add_number(entity.end - entity.body_start)
        if content.is_text:
            out.put_octet(c" ")
            out.add_number(_count_lines(octets, entity.body_start, entity.end))
        out.put_octet(c" ")
        out.put(content.md5)
    out.put_octet(c" ")
    out.put(content.extension)
    return out.put_octet(c")")


cdef int _add_children(list parts, _Entity multipart, tuple prefix) except -1:
    """The part table by number, depth first (RFC 9051 §6.4.5.1)."""
    cdef _Entity child
    cdef Py_ssize_t index = 0
    for child in multipart.children:
        index += 1
        _add_part(parts, child, prefix + (index,))
    return 0


cdef int _add_part(list parts, _Entity entity, tuple number) except -1:
    cdef _Content content = entity.content
    parts.append(new(Part, (
        number, entity.header_start, entity.body_start, entity.end, content.name, content.encoding,
        content.charset, False, entity.body_start,
    )))
    if entity.children is not None:
        _add_children(parts, entity, number)
    return 0
