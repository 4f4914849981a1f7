-- Drops old tombstones of a mailbox: those that were there when it was last looked through.
-- At most 64 pages a call.
-- own: mailbox id · reply: '2' when it must be called again at once, '1' when tombstones wait
-- for the next look, '0' when none is left
local MOST_PAGES = 64

-- The page without tombstones up to `threshold`: bitmap, records.
local function kept_records(raw, threshold)
  local words, records, place = { struct.unpack('<I4I4I4I4', raw) }, {}, 0
  for slot = 0, 127 do
    local w = math.floor(slot / 32) + 1
    if bit.band(words[w], bit.lshift(1, slot % 32)) ~= 0 then
      local at = 17 + 80 * place
      place = place + 1
      local tombstone = bit.band(struct.unpack('<I4', raw, at + 8), TOMBSTONE) ~= 0
      if tombstone and struct.unpack('<I8', raw, at) <= threshold then
        words[w] = bit.band(words[w], bit.bnot(bit.lshift(1, slot % 32))) % TWO32
      else
        records[#records + 1] = string.sub(raw, at, at + 79)
      end
    end
  end
  return struct.pack('<I4I4I4I4', words[1], words[2], words[3], words[4]), records
end

-- The directory without the pages that became empty, how many tombstones went, and whether pages are left.
local function drop_tombstones(box, old, threshold)
  local directory, dropped, changed = {}, 0, 0
  for place = 0, #old / 16 - 1 do
    local line = string.sub(old, place * 16 + 1, place * 16 + 16)
    local number, live = struct.unpack('<I4I4', line)
    local page = page_key(box, number)
    local present = (redis.call('STRLEN', page) - 16) / 80
    if present > live then
      local bitmap, records = kept_records(redis.call('GET', page), threshold)
      if #records < present then
        if changed == MOST_PAGES then
          directory[#directory + 1] = string.sub(old, place * 16 + 1)
          return table.concat(directory), dropped, true
        end
        changed, dropped = changed + 1, dropped + present - #records
        if #records == 0 then
          effect('D', page)
          line = ''
        else
          effect('W', page, bitmap .. table.concat(records))
        end
      end
    end
    directory[#directory + 1] = line
  end
  return table.concat(directory), dropped, false
end

local function run()
  begin_shard()
  local id, entry = ARGV[OWN + 1], ACCOUNT .. '|' .. ARGV[OWN + 1]
  local key, list = header_key(id), SHARD .. ':tombs'
  local modseq, threshold, gone, tombs = unpack(redis.call('HMGET', key, 'modseq', 'prune', 'gone', 'tombs'))
  if not modseq or gone then
    effect('Y', list, entry)
    return commit('0')
  end
  local dropped, more = 0, false
  if threshold then
    local old, directory = redis.call('GET', P .. ':d:' .. id) or ''
    directory, dropped, more = drop_tombstones({ id = id }, old, tonumber(threshold))
    if #directory == 0 then effect('D', P .. ':d:' .. id) end
    if #directory > 0 and #directory < #old then effect('W', P .. ':d:' .. id, directory) end
  end
  local left = tonumber(tombs) - dropped
  if dropped > 0 then effect('H', key, 'oldest', threshold, 'tombs', int(left)) end
  if more then return commit('2') end
  effect('H', key, 'prune', modseq)
  if left > 0 then effect('Z', list, int(NOW), entry) else effect('Y', list, entry) end
  return commit(left > 0 and '1' or '0')
end
