-- The prelude of every script that only reads: the server is the one that the store takes it for, and
-- the shard is what this platform left there.
--
-- KEYS[1]  {s0421}:a:<account>
-- ARGV[1]  generation id of the platform          ARGV[3]  replid that this server has
-- ARGV[2]  credential epoch, '' unchecked         ARGV[4]  number of that incarnation
-- ARGV[5…] the script's own
local P = KEYS[1]
local SHARD = string.match(P, '^({s%d+}):')
local EPOCH, OWN = ARGV[2], 4

-- An error reply, or nil when all is well.
local function refusal()
  local info = redis.call('INFO', 'replication')
  if not string.find(info, 'master_replid:' .. ARGV[3] .. '\r', 1, true) then
    return redis.error_reply('INCARNATION ' .. string.match(info, 'master_replid:(%x+)'))
  end
  if redis.call('GET', SHARD .. ':gen') ~= ARGV[1] then return redis.error_reply('GENERATION index incomplete') end
end

-- What a label of this moment names: the server's incarnation, before its first write too, so that no
-- state from before a fallback passes for this one; or the header's, of a slot from a server with a
-- higher number.
local function incarnation_now(field) return math.max(tonumber(ARGV[4]), #field < 20 and tonumber(field) or 0) end
