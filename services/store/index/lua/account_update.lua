-- Changes the credential (which ends all sessions) or the further addresses of an account.
-- own: 'password', credential | 'add', address | 'remove', address
-- reply: ''
local function run()
  begin()
  next_seq()
  local what, value = ARGV[OWN + 1], ARGV[OWN + 2]
  if what == 'password' then
    account.ended = true -- tells the watchers of its sessions
    effect('H', P, 'cred', value, 'epoch', int(account.epoch + 1))
    return commit('', event(12))
  end
  local kept = {}
  for address in string.gmatch(redis.call('HGET', P, 'aliases') or '', '[^\n]+') do
    if address ~= value then kept[#kept + 1] = address end
  end
  if what == 'add' then kept[#kept + 1] = value end
  effect('H', P, 'aliases', table.concat(kept, '\n'))
  return commit('', event(13))
end
