local x = load(session(ARGV[1], generation(ARGV[1])))
return x and { describe(x) } or {}
