-- Ends an account: from here on it is not found; the collector removes its mail.
-- own: nothing · reply: ''
local function run()
  begin()
  next_seq()
  account.ended = true -- tells the watchers of its sessions
  local values = redis.call('HGETALL', P .. ':n')
  for i = 2, #values, 2 do
    local id = string.match(values[i], '^(%d+)|')
    if id ~= '0' then effect('Z', SHARD .. ':dead', int(NOW), ACCOUNT .. '|' .. id) end
  end
  -- later than every mailbox of the account, those that other stores' clocks put there included
  effect('Z', SHARD .. ':dead', int(NOW + HOUR), ACCOUNT .. '|0')
  effect('H', P, 'gone', '1', 'cred', '', 'epoch', int(account.epoch + 1))
  effect('D', P .. ':n')
  return commit('', event(11))
end
