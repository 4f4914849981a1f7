-- Changes flags of messages.
-- own: mailbox id; operation '1' add, '2' remove, '3' replace; system flags; keywords, one a line;
--      unchanged-since or ''; uids
-- reply: seq u64, number of rows u32, of modified u32, of missing u32; rows of uid u32, flags u64, modseq u64;
--        modified uids; missing uids; keywords of the mailbox, one a line
local function combine(operation, old, new)
  if operation == '1' then return bit.bor(old, new) % TWO32 end
  if operation == '2' then return bit.band(old, bit.bnot(new)) % TWO32 end
  return new
end

local function count_change(box, before, after)
  if bit.band(before, SEEN) ~= bit.band(after, SEEN) then
    box.unseen = box.unseen + (bit.band(after, SEEN) == 0 and 1 or -1)
  end
  if bit.band(before, DELETED) ~= bit.band(after, DELETED) then
    box.deleted = box.deleted + (bit.band(after, DELETED) ~= 0 and 1 or -1)
  end
end

local function run()
  begin()
  local box = open_mailbox(ARGV[OWN + 1])
  local operation, system = ARGV[OWN + 2], tonumber(ARGV[OWN + 3])
  local since, uids = tonumber(ARGV[OWN + 5]), ARGV[OWN + 6]
  local low, high = keyword_bits(box, ARGV[OWN + 4], operation == '2')
  local wanted = bit.bor(system, low) % TWO32
  local seq = account.seq + 1
  local rows, modified, missing, changed = {}, {}, {}, {}
  for at = 1, #uids, 4 do
    local uid = struct.unpack('<I4', uids, at)
    local page = open_page(box, math.floor(uid / 128))
    local place = page and place_of(page, uid)
    local flags, keywords, modseq
    if place then flags, keywords, modseq = read_head(page, place) end
    if not place or bit.band(flags, TOMBSTONE) ~= 0 then
      missing[#missing + 1] = u32(uid)
    elseif since and modseq > since then
      modified[#modified + 1] = u32(uid)
    else
      local inner = bit.band(flags, SHARED)
      local after = bit.bor(combine(operation, flags - inner, wanted), inner) % TWO32
      local words = combine(operation, keywords, high)
      if after ~= flags or words ~= keywords then
        write_head(page, place, after, words, seq)
        count_change(box, flags, after)
        changed[#changed + 1] = u32(uid)
        flags, keywords, modseq = after, words, seq
      end
      rows[#rows + 1] = struct.pack('<I4I4I4I8', uid, bit.band(flags, bit.bnot(SHARED)) % TWO32, keywords, modseq)
    end
  end
  local keywords_now = #box.keywords
  if #changed > 0 then
    next_seq()
    box.modseq = seq
  else -- then no message took a new keyword either
    without_seq()
    keywords_now = box.known_keywords
  end
  local reply = u64(account.seq) .. struct.pack('<I4I4I4', #rows, #modified, #missing) .. table.concat(rows)
    .. table.concat(modified) .. table.concat(missing) .. table.concat(box.keywords, '\n', 1, keywords_now)
  if #changed == 0 then return reply end
  return commit(reply, event(5, tonumber(box.id), 0, table.concat(changed)))
end
