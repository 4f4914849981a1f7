-- The mailbox names of an account in a write script.
--
-- hash :n   name → id|subscribed|special use; id 0: a name without mailbox, kept because it
--           is subscribed to, or (4th word 'x') because it has children: not selectable
local all -- its names as they are written, and their entries; nil until they are wanted together
local function read_names()
  if all then return end
  local flat = redis.call('HGETALL', P .. ':n')
  all = { names = {}, entries = {} }
  for at = 1, #flat, 2 do
    all.names[#all.names + 1] = flat[at]
    all.entries[flat[at]] = flat[at + 1]
  end
end
local function name_entry(name)
  local value
  if all then value = all.entries[name] else value = redis.call('HGET', P .. ':n', name) end
  if not value then return nil end
  local id, subscribed, use, kind = string.match(value, '^(%d+)|(%d)|(%d+)|?(x?)$')
  return { id = id, subscribed = subscribed, use = use, noselect = kind == 'x' }
end
local function set_name(name, e)
  effect('H', P .. ':n', name, e.id .. '|' .. e.subscribed .. '|' .. e.use .. (e.noselect and '|x' or ''))
end
local function exists(e) return e and (e.id ~= '0' or e.noselect) end

-- All names below this one.
local function children_of(name)
  local found, head = {}, name .. '/'
  read_names()
  for _, other in ipairs(all.names) do
    if string.sub(other, 1, #head) == head then found[#found + 1] = other end
  end
  return found
end
local function has_children(name)
  for _, child in ipairs(children_of(name)) do
    if exists(name_entry(child)) then return true end
  end
  return false
end

-- A new, empty mailbox; the name's subscription stays as it was.
local function new_mailbox(name, use)
  local old = name_entry(name)
  local seq = next_seq()
  set_name(name, { id = int(seq), subscribed = old and old.subscribed or '0', use = use })
  effect('H', P .. ':m:' .. int(seq), 'name', name, 'uidv', int(next_uidvalidity()), 'uidnext', '1', 'modseq', int(seq),
    'count', '0', 'unseen', '0', 'deleted', '0', 'size', '0', 'recent', '1', 'tombs', '0', 'oldest', '0',
    'inc', int(account.inc))
  return int(seq)
end

-- The levels above a name that are not there (RFC 3501 §6.3.3); answers how many it makes.
local function create_parents(name)
  local at, made = string.find(name, '/', 1, true), 0
  while at do
    local parent = string.sub(name, 1, at - 1)
    if not exists(name_entry(parent)) then
      new_mailbox(parent, '0')
      made = made + 1
    end
    at = string.find(name, '/', at + 1, true)
  end
  return made
end
local function check_limit(more)
  if redis.call('HLEN', P .. ':n') + more > 10000 then refuse('LIMIT', 'too many mailboxes') end
end
