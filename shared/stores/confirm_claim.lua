-- Says that a thread is new, unless somebody wrote to it since it was asked for.
--
-- KEYS[1]  the thread's claim
-- ARGV[1]  what was in the claim when the thread was asked for
-- ARGV[2]  what says that the thread is new
-- ARGV[3]  time to live in seconds

if redis.call('GET', KEYS[1]) == ARGV[1] then
  redis.call('SET', KEYS[1], ARGV[2], 'EX', ARGV[3])
end
return 1
