-- Reads an account's and a mailbox's header and page directory in one step. Writes nothing.
-- KEYS[1] {s0421}:a:<account>
-- ARGV: generation, epoch or '', 'i' and id or 'n' and name, '1' for the directory too
-- reply: seq, incarnation, gaps, mailbox id, header (field, value, …), directory
-- errors: GENERATION, ACCOUNT_NOT_FOUND, SESSION_ENDED, MAILBOX_NOT_FOUND
local P = KEYS[1]
local SHARD = string.match(P, '^({s%d+}):')
if redis.call('GET', SHARD .. ':gen') ~= ARGV[1] then return redis.error_reply('GENERATION index incomplete') end
local seq, inc, gaps, epoch, gone = unpack(redis.call('HMGET', P, 'seq', 'inc', 'gaps', 'epoch', 'gone'))
if not seq or gone then return redis.error_reply('ACCOUNT_NOT_FOUND no such account') end
if ARGV[2] ~= '' and epoch ~= ARGV[2] then return redis.error_reply('SESSION_ENDED the session has ended') end
local id, entry = ARGV[4], nil
if ARGV[3] == 'n' then
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
local directory = ARGV[5] == '1' and redis.call('GET', P .. ':d:' .. id) or ''
entry = entry or redis.call('HGET', P .. ':n', name) or ''
return { seq, inc, gaps or '', id, header, directory, entry }
