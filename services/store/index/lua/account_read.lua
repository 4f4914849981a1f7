-- Reads an account's header and, when asked, its mailbox names and their counts. Writes nothing.
-- own: '' | 'names' | 'counts'
-- reply: incarnation, header (field, value, …), names (name, entry, …), headers of the mailboxes in the same order
local refused = refusal()
if refused then return refused end
local header, has = redis.call('HGETALL', P), {}
for i = 1, #header, 2 do has[header[i]] = header[i + 1] end
if not has.seq or has.gone then return redis.error_reply('ACCOUNT_NOT_FOUND no such account') end
if EPOCH ~= '' and has.epoch ~= EPOCH then return redis.error_reply('SESSION_ENDED the session has ended') end
local incarnation = incarnation_now(has.inc)
if ARGV[OWN + 1] == '' then return { incarnation, header, {}, {} } end
local names, headers = redis.call('HGETALL', P .. ':n'), {}
if ARGV[OWN + 1] == 'counts' then
  for i = 2, #names, 2 do
    headers[#headers + 1] = redis.call('HGETALL', P .. ':m:' .. string.match(names[i], '^(%d+)|'))
  end
end
return { incarnation, header, names, headers }
