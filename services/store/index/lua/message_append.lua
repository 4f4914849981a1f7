-- Adds messages to a mailbox, all or none; Append and Deliver.
-- own: 'i' and id, or 'n' and name, of the mailbox; dedupe key or '';
--      then of each message: flags u32, 8 octets of internal date, size u32, stored length u32 (20 octets in all);
--      body id; keywords, one a line; summary
-- reply: duplicate u8, mailbox u64, uidvalidity u32, seq u64, uids
local function tail(fixed, body, seq)
  return string.sub(fixed, 5, 16) .. u32(math.floor(NOW / 1000)) .. body .. u32(0) .. string.sub(fixed, 17, 20)
    .. u64(seq) .. u64(seq) .. u64(seq)
end

local function answer(duplicate, box, uids, seq)
  return struct.pack('<I1', duplicate) .. u64(tonumber(box.id)) .. u32(box.uidv) .. u64(seq) .. uids
end

-- A message that was delivered within a day is not delivered again.
local function known_delivery(key)
  local day = math.floor(NOW / DAY)
  for _, d in ipairs({ day, day - 1 }) do
    local known = redis.call('HGET', P .. ':dd:' .. d, key)
    if known then return known end
  end
  local bucket = P .. ':dd:' .. day
  return nil, bucket
end

local function run()
  begin()
  local box = ARGV[OWN + 1] == 'i' and open_mailbox(ARGV[OWN + 2]) or find_mailbox(ARGV[OWN + 2])
  local dedupe, bucket = ARGV[OWN + 3], nil
  if dedupe ~= '' then
    local known
    known, bucket = known_delivery(dedupe)
    if known then -- remembered, so that every repeat of this request is told the same
      without_seq()
      flushes = {}
      return commit(struct.pack('<I1', 1) .. known)
    end
  end
  local seq, uids = account.seq, {}
  for i = OWN + 4, #ARGV, 4 do
    seq = next_seq()
    local fixed, body = ARGV[i], ARGV[i + 1]
    local flags, size = struct.unpack('<I4', fixed), struct.unpack('<I4', fixed, 13)
    local low, high = keyword_bits(box, ARGV[i + 2])
    local uid = add_record(box, seq, bit.bor(flags, low) % TWO32, high, size, tail(fixed, body, seq), ARGV[i + 3])
    uids[#uids + 1] = u32(uid)
  end
  uids = table.concat(uids)
  local reply = answer(0, box, uids, seq)
  if bucket then
    transient('HSET', bucket, dedupe, string.sub(reply, 2))
    transient('PEXPIREAT', bucket, int(NOW + DEDUPE_TTL))
  end
  return commit(reply, event(1, tonumber(box.id), 0, uids))
end
