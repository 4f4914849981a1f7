# Values of header fields, for whole.pyx, of which this is a part: the usual forms, and only those.
# A value of another form goes to the function that reads it in Python.

cdef enum:  # places of the values that matter
    DATE, SUBJECT, FROM, SENDER, REPLY_TO, TO, CC, BCC, IN_REPLY_TO, MESSAGE_ID
    TYPE, ENCODING, ID, DESCRIPTION, MD5, DISPOSITION, LANGUAGE, LOCATION, PLACES

cdef list NO_VALUES = [None] * PLACES
cdef tuple MONTHS = tuple(b"jan feb mar apr may jun jul aug sep oct nov dec".split())
cdef tuple BEFORE = (0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334, 365)  # days of a year, by month
cdef int EPOCH = date(1970, 1, 1).toordinal()


cdef Py_ssize_t _place(bytes octets, Py_ssize_t start, Py_ssize_t end) except -2:
    """Of the value of a field that is named so; -1: it does not matter."""
    cdef Py_ssize_t size = end - start
    if size == 2:
        return TO if _says(octets, start, end, b"to") else CC if _says(octets, start, end, b"cc") else -1
    if size == 3:
        return BCC if _says(octets, start, end, b"bcc") else -1
    if size == 4:
        if _says(octets, start, end, b"date"):
            return DATE
        return FROM if _says(octets, start, end, b"from") else -1
    if size == 6:
        return SENDER if _says(octets, start, end, b"sender") else -1
    if size == 7:
        return SUBJECT if _says(octets, start, end, b"subject") else -1
    if size == 8:
        return REPLY_TO if _says(octets, start, end, b"reply-to") else -1
    if size == 10 and _says(octets, start, end, b"message-id"):
        return MESSAGE_ID
    if size == 11 and _says(octets, start, end, b"in-reply-to"):
        return IN_REPLY_TO
    if size < 10 or not _says(octets, start, start + 8, b"content-"):
        return -1
    start += 8
    if _says(octets, start, end, b"type"):
        return TYPE
    if _says(octets, start, end, b"transfer-encoding"):
        return ENCODING
    if _says(octets, start, end, b"disposition"):
        return DISPOSITION
    if _says(octets, start, end, b"id"):
        return ID
    if _says(octets, start, end, b"description"):
        return DESCRIPTION
    if _says(octets, start, end, b"md5"):
        return MD5
    if _says(octets, start, end, b"language"):
        return LANGUAGE
    return LOCATION if _says(octets, start, end, b"location") else -1


cdef int _read_fields(bytes octets, Py_ssize_t line, Py_ssize_t stop, list values, list fields) except -1:
    """Of a block, into `values`, of each name the first, and if it is not None all into `fields`."""
    cdef Py_ssize_t name_end, colon, end, place
    while line < stop:
        name_end = line
        while name_end < stop and _is_name(octets[name_end]):
            name_end += 1
        colon = name_end
        while colon < stop and _is_blank(octets[colon]):
            colon += 1
        end = _find(octets, c"\n", name_end, stop)
        if name_end > line and colon < stop and octets[colon] == c":":
            # field = field-name ":" unstructured CRLF, with its folded lines (RFC 5322 §2.2.3)
            while 0 <= end < stop - 1 and _is_blank(octets[end + 1]):
                end = _find(octets, c"\n", end + 1, stop)
            if end < 0:
                end = stop
            if fields is not None:
                fields.append((_cut(octets, line, min(end + 1, stop)), _cut(octets, line, name_end)))
            place = _place(octets, line, name_end)
            if place >= 0 and values[place] is None:
                if end - colon > MAX_VALUE:
                    raise Unusual
                values[place] = _cut(octets, colon + 1, end)
        if end < 0:
            return 0
        line = end + 1
    return 0


cdef int _add_string(_Wire out, bytes value) except -1:
    """nstring of an unstructured field."""
    cdef Py_ssize_t start, end
    if value is None:
        return out.put(b"NIL")
    start, end = _after_space(value, 0), len(value)
    while end > start and _is_space(value[end - 1]):
        end -= 1
    if _after_plain(value, start) < end:
        return out.put(quote(unfold(value)))
    out.put_octet(c'"')
    out.add(value, start, end)
    return out.put_octet(c'"')


cdef bytes _message_id(bytes value):
    if value is None:
        return b""
    if len(value) > MAX_ID:
        raise Unusual
    return unfold(value) if _find(value, c"\n", 0, len(value)) >= 0 else value.strip()


cdef object _sent_date(bytes value):
    """date = [3ALPHA "," SP] 1*2DIGIT SP month SP 4DIGIT SP; None where there is no such day."""
    cdef Py_ssize_t at, place, month = 0
    cdef int day, year = 0, before, length
    cdef bint leap
    if value is None:
        return None
    at = _after_space(value, 0)
    if at + 5 <= len(value) and value[at + 3] == c"," and value[at + 4] == c" ":
        if _is_letter(value[at]) and _is_letter(value[at + 1]) and _is_letter(value[at + 2]):
            at += 5
    if at + 12 > len(value) or not _is_digit(value[at]):
        return sent_date(value)
    day = value[at] - c"0"
    at += 1
    if _is_digit(value[at]):
        day = 10 * day + value[at] - c"0"
        at += 1
    if not value[at] == value[at + 4] == value[at + 9] == c" ":
        return sent_date(value)
    while month < 12 and not _says(value, at + 1, at + 4, MONTHS[month]):
        month += 1
    for place in range(at + 5, at + 9):
        if not _is_digit(value[place]):
            return sent_date(value)
        year = 10 * year + value[place] - c"0"
    if month == 12 or year == 0:
        return sent_date(value)
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    before, length = BEFORE[month], BEFORE[month + 1] - BEFORE[month] + (leap and month == 1)
    if not 0 < day <= length:
        return None
    year -= 1
    return 365 * year + year // 4 - year // 100 + year // 400 + before + (leap and month > 1) + day - EPOCH


cdef bytes _envelope(_Wire out, list values):
    cdef bytes senders
    cdef Py_ssize_t start = out.size
    out.put_octet(c"(")
    _add_string(out, values[DATE])
    out.put_octet(c" ")
    _add_string(out, values[SUBJECT])
    out.put_octet(c" ")
    senders = _add_addresses(out, values[FROM], True)
    for place in (SENDER, REPLY_TO):
        out.put_octet(c" ")
        if _add_addresses(out, values[place], True) == b"NIL":
            out.size -= 3
            out.put(senders)
    for place in (TO, CC, BCC):
        out.put_octet(c" ")
        _add_addresses(out, values[place], False)
    for place in (IN_REPLY_TO, MESSAGE_ID):
        out.put_octet(c" ")
        _add_string(out, values[place])
    out.put_octet(c")")
    return out.take(start)


cdef bytes _add_addresses(_Wire out, bytes value, bint answer):
    """address-list of name-addr and addr-spec without comments, quoted pairs and domain-literals."""
    cdef Py_ssize_t at = 0, count = 0, mark = out.size
    if value is None:
        out.put(b"NIL")
        return b"NIL"
    out.put_octet(c"(")
    while True:
        at = _add_address(out, value, at)
        if at < 0:
            break
        count += 1
        at = _after_space(value, at)
        if at == len(value):
            out.put_octet(c")")
            return out.since(mark) if answer else None
        if value[at] != c"," or count == MAX_ADDRESSES:
            break
        at += 1
    out.size = mark
    wire = address_list(value)
    out.put(wire)
    return wire


cdef Py_ssize_t _add_address(_Wire out, bytes value, Py_ssize_t start) except -2:
    """Answers where it ends; -1: it is of another form."""
    cdef Py_ssize_t size = len(value), at, end, host
    cdef bint phrase = False
    at = start = _after_space(value, start)
    if at < size and value[at] == c'"':
        start += 1
        at = end = _after_plain(value, start)
        if at == size or value[at] != c'"':
            return -1
        at += 1
    else:
        at = end = _after_atom(value, at)
        if start < at < size and value[at] == c"@":
            host = at + 1
            at = _after_atom(value, host)
            if at == host:
                return -1
            out.put(b"(NIL NIL")
            return _add_mailbox(out, value, start, host, at)
        while start < at and at + 1 < size and value[at] == c" " and _is_atom(value[at + 1]):
            at = end = _after_atom(value, at + 1)
    at = _after_space(value, at)
    if at == size or value[at] != c"<":
        return -1
    if end > start:
        out.put(b'("')
        out.add(value, start, end)
        out.put(b'" NIL')
    else:
        out.put(b"(NIL NIL")
    start = at + 1
    at = _after_atom(value, start)
    host = at + 1
    if at == start or at == size or value[at] != c"@":
        return -1
    at = _after_atom(value, host)
    if at == host or at == size or value[at] != c">":
        return -1
    return _add_mailbox(out, value, start, host, at) + 1


cdef Py_ssize_t _add_mailbox(
    _Wire out, bytes value, Py_ssize_t start, Py_ssize_t host, Py_ssize_t end
) except -2:
    out.put(b' "')
    out.add(value, start, host - 1)
    out.put(b'" "')
    out.add(value, host, end)
    out.put(b'")')
    return end
