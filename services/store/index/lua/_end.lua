-- Runs the script; a refusal becomes an error reply, a repeated request its first reply.
local ok, result = pcall(run)
if ok then return result end
if type(result) == 'table' then
  if result.refuse then return redis.error_reply(result.refuse) end
  if result.reply then return result.reply end
  if result.err then return result end
end
error(result)
