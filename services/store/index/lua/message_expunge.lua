-- Removes messages: with the Deleted flag, or whatever their flags ('force': a maildrop, an undone copy).
-- own: mailbox id; uids; 'force' or ''; maildrop lock or '', which is then held on for so many
--      milliseconds, or given back for ''
-- reply: seq u64, uids of what is gone · errors: MAILDROP_LOCK_LOST
local function check_lock(lock, milliseconds)
  if lock == '' then return end
  local key = P .. ':lock'
  if redis.call('GET', key) ~= lock then refuse('MAILDROP_LOCK_LOST', 'the lock was lost') end
  if milliseconds == '' then transient('DEL', key) else transient('SET', key, lock, 'PX', milliseconds) end
end

local function expunge(box, uids, force)
  local gone, seq = {}, account.seq + 1
  for at = 1, #uids, 4 do
    local uid = struct.unpack('<I4', uids, at)
    local page = open_page(box, math.floor(uid / 128))
    local place = page and place_of(page, uid)
    local flags = place and read_head(page, place)
    if place and bit.band(flags, TOMBSTONE) == 0 and (force or bit.band(flags, DELETED) ~= 0) then
      drop_reference(record_body(page, place), flags)
      bury(box, page, place, uid, seq)
      gone[#gone + 1] = u32(uid)
    end
  end
  if #gone > 0 then
    next_seq()
    note_tombstones(box)
  end
  return table.concat(gone)
end

local function run()
  begin()
  check_lock(ARGV[OWN + 4], ARGV[OWN + 5])
  local uids, gone = ARGV[OWN + 2], ''
  if #uids > 0 then gone = expunge(open_mailbox(ARGV[OWN + 1]), uids, ARGV[OWN + 3] == 'force') end
  if #gone > 0 then return commit(u64(account.seq) .. gone, event(4, tonumber(ARGV[OWN + 1]), 0, gone)) end
  without_seq()
  flushes = {}
  if #transients > 0 then return commit(u64(account.seq)) end
  return u64(account.seq)
end
