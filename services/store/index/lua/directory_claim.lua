-- Claims an address for an account, unless another one has it.
-- KEYS[1] {s0421}:a:@<address>, in the shard of the address
-- own: account; primary address of that account; the account it may be taken from, or ''
-- reply: '' or, when another account has it: account, state, Unix milliseconds, one a line
local function run()
  begin_shard()
  local key = SHARD .. ':' .. ACCOUNT
  local held = redis.call('HMGET', key, 'account', 'state', 'time')
  if held[1] == ARGV[OWN + 1] then return '' end
  if held[1] and held[1] ~= ARGV[OWN + 3] then return held[1] .. '\n' .. held[2] .. '\n' .. held[3] end
  effect('H', key, 'account', ARGV[OWN + 1], 'primary', ARGV[OWN + 2], 'state', 'claimed', 'time', int(NOW))
  return commit('')
end
