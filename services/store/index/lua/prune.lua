-- Drops old tombstones of a mailbox: those that were there when it was last looked through.
-- own: mailbox id · reply: '1' when no tombstone is left
local function kept_records(raw, threshold)
  local words, records, place, left = { struct.unpack('<I4I4I4I4', raw) }, {}, 0, 0
  for slot = 0, 127 do
    local w = math.floor(slot / 32) + 1
    if bit.band(words[w], bit.lshift(1, slot % 32)) ~= 0 then
      local at = 17 + 80 * place
      place = place + 1
      local tombstone = bit.band(struct.unpack('<I4', raw, at + 8), TOMBSTONE) ~= 0
      if tombstone and read_u64(raw, at) <= threshold then
        words[w] = bit.band(words[w], bit.bnot(bit.lshift(1, slot % 32))) % TWO32
      else
        records[#records + 1] = string.sub(raw, at, at + 79)
        if tombstone then left = left + 1 end
      end
    end
  end
  return struct.pack('<I4I4I4I4', words[1], words[2], words[3], words[4]), records, place, left
end

local function run()
  begin_shard()
  local id, entry = ARGV[OWN + 1], ACCOUNT .. '|' .. ARGV[OWN + 1]
  local key = header_key(id)
  local modseq, threshold, gone = unpack(redis.call('HMGET', key, 'modseq', 'prune', 'gone'))
  if not modseq or gone then
    effect('Y', SHARD .. ':tombs', entry)
    return commit('1')
  end
  local box, directory, left, dropped = { id = id }, {}, 0, 0
  local old = redis.call('GET', P .. ':d:' .. id) or ''
  for place = 0, #old / 16 - 1 do
    local line = string.sub(old, place * 16 + 1, place * 16 + 16)
    local number, live = struct.unpack('<I4I4', line)
    local page = page_key(box, number)
    local raw = redis.call('GET', page)
    if raw and threshold and (#raw - 16) / 80 > live then
      local bitmap, records, before, stay = kept_records(raw, tonumber(threshold))
      left, dropped = left + stay, dropped + before - #records
      if #records == 0 then
        effect('D', page)
        line = ''
      elseif #records < before then
        effect('W', page, bitmap .. table.concat(records))
      end
    elseif raw then
      left = left + (#raw - 16) / 80 - live
    end
    directory[#directory + 1] = line
  end
  effect('H', key, 'prune', modseq)
  if dropped > 0 then
    directory = table.concat(directory)
    effect('H', key, 'oldest', threshold, 'tombs', int(left))
    if directory == '' then effect('D', P .. ':d:' .. id) else effect('W', P .. ':d:' .. id, directory) end
  end
  if left > 0 then effect('Z', SHARD .. ':tombs', int(NOW), entry) else effect('Y', SHARD .. ':tombs', entry) end
  return commit(left > 0 and '0' or '1')
end
