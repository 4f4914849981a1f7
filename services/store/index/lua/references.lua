-- The accounts that share one body: a set that is written once and then only shrinks.
-- own: body id; 'write' and accounts | 'drop' and an account
-- reply: how many accounts are left; 'drop' of an unknown set: '-'
local function run()
  begin_shard()
  local key = SHARD .. ':r:' .. ARGV[OWN + 1]
  if ARGV[OWN + 2] == 'write' then
    if redis.call('EXISTS', key) == 0 then
      effect('A', key, unpack(ARGV, OWN + 3))
      commit('')
    end
    return int(#ARGV - OWN - 2)
  end
  if redis.call('EXISTS', key) == 0 then return '-' end
  local there = redis.call('SISMEMBER', key, ARGV[OWN + 3])
  local left = redis.call('SCARD', key) - there
  if there == 1 then
    effect('M', key, ARGV[OWN + 3])
    commit('')
  end
  return int(left)
end
