-- The accounts that share one body: a set that is written once and then only shrinks. The last
-- account stays in it until its body is deleted, so that a crash before that can be repeated.
-- KEYS[1] {s0421}:a:-, in the shard of the body
-- own: body id; 'write' and accounts | 'drop' and an account | 'forget'
-- reply: how many accounts are left; 'drop' of an unknown set: '-'
local function run()
  begin_shard()
  local key, what, account_id = SHARD .. ':r:' .. ARGV[OWN + 1], ARGV[OWN + 2], ARGV[OWN + 3]
  local count = redis.call('SCARD', key)
  if what == 'write' then
    if count > 0 then return int(count) end
    effect('A', key, unpack(ARGV, OWN + 3))
    return commit(int(#ARGV - OWN - 2))
  end
  if count == 0 then return '-' end
  if what == 'forget' then
    effect('D', key)
    return commit('0')
  end
  if redis.call('SISMEMBER', key, account_id) == 0 then return int(count) end
  if count == 1 then return '0' end
  effect('M', key, account_id)
  return commit(int(count - 1))
end
