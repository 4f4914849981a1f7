-- Adds messages to a mailbox, all or none; Append and Deliver.
-- own: 'i' and id, or 'n' and name, of the mailbox; dedupe key or '';
--      then of each message: flags u32, 8 octets of internal date, size u32, stored length u32 (20 octets in all);
--      body id; keywords, one a line; summary
-- reply: duplicate u8, mailbox u64, uidvalidity u32, seq u64, uids
local function tail(fixed, body, seq)
  local saved = math.floor(NOW / 1000)
  return string.sub(fixed, 5, 16) .. u32(saved) .. body .. u32(0) .. string.sub(fixed, 17)
    .. struct.pack('<I8I8I8', seq, seq, seq)
end

local function answer(duplicate, box, uids, seq)
  return struct.pack('<I1I8I4I8', duplicate, tonumber(box.id), box.uidv, seq) .. uids
end

-- A message that was delivered within a day is not delivered again: what the first one was told, else
-- today's bucket and whether it fades.
local function known_delivery(key)
  local day = math.floor(NOW / DAY)
  local bucket = P .. ':dd:' .. int(day)
  local known, kept = unpack(redis.call('HMGET', bucket, key, ''))
  return known or redis.call('HGET', P .. ':dd:' .. int(day - 1), key), bucket, fades(kept, HOUR)
end

local function remember_delivery(bucket, key, reply, is_fading)
  if not is_fading then return transient('HSET', bucket, key, reply) end
  transient('HSET', bucket, key, reply, '', int(NOW))
  transient('PEXPIRE', bucket, DEDUPE_TTL)
end

local function run()
  begin()
  local box = ARGV[OWN + 1] == 'i' and open_mailbox(ARGV[OWN + 2]) or find_mailbox(ARGV[OWN + 2])
  local dedupe = ARGV[OWN + 3]
  local known, bucket, is_fading
  if dedupe ~= '' then
    known, bucket, is_fading = known_delivery(dedupe)
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
    local flags, _, size = struct.unpack('<I4I8I4', fixed)
    local low, high = keyword_bits(box, ARGV[i + 2])
    local uid = add_record(box, seq, bit.bor(flags, low) % TWO32, high, size, tail(fixed, body, seq), ARGV[i + 3])
    uids[#uids + 1] = u32(uid)
  end
  uids = table.concat(uids)
  local reply = answer(0, box, uids, seq)
  if bucket then remember_delivery(bucket, dedupe, string.sub(reply, 2), is_fading) end
  return commit(reply, event(1, tonumber(box.id), 0, uids))
end
