-- Reads an account's and a mailbox's header and page directory in one step. Writes nothing.
-- own: 'i' and id or 'n' and name, '1' for the directory too, a request (as write scripts get it) or ''
-- reply: seq, incarnation, gaps, mailbox id, header (field, value, …), directory, name's entry, 1 when the
--   request has been performed
-- errors: MAILBOX_NOT_FOUND
local refused = refusal()
if refused then return refused end
local seq, inc, gaps, epoch, gone = unpack(redis.call('HMGET', P, 'seq', 'inc', 'gaps', 'epoch', 'gone'))
if not seq or gone then return redis.error_reply('ACCOUNT_NOT_FOUND no such account') end
if EPOCH ~= '' and epoch ~= EPOCH then return redis.error_reply('SESSION_ENDED the session has ended') end
local id, entry = ARGV[OWN + 2], nil
if ARGV[OWN + 1] == 'n' then
  entry = redis.call('HGET', P .. ':n', id)
  id = entry and string.match(entry, '^(%d+)|') or '0'
end
local header = redis.call('HGETALL', P .. ':m:' .. id)
local name
for i = 1, #header, 2 do
  if header[i] == 'name' then name = header[i + 1] end
  if header[i] == 'gone' then header = {} break end
end
if #header == 0 then return redis.error_reply('MAILBOX_NOT_FOUND no such mailbox') end
local directory = ARGV[OWN + 3] == '1' and redis.call('GET', P .. ':d:' .. id) or ''
entry = entry or redis.call('HGET', P .. ':n', name) or ''
local request, known = ARGV[OWN + 4], 0
if request ~= '' then
  -- where _tx.lua keeps it
  local bucket = math.floor(struct.unpack('>I6', request) / 300000)
  known = redis.call('HEXISTS', SHARD .. ':rq:' .. string.format('%d', bucket), string.sub(request, 7))
end
return { seq, incarnation_now(inc), gaps or '', id, header, directory, entry, known }
