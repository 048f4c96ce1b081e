static const struct ini_key some_keys[] = {
	{ .section = "service", .key = "image", .help = "x" },
	{ .section = "service", .key = "undescribed", .help = "x" },
};
const struct ini_schema some_schema = { "services", some_keys, ARRAY_LEN(some_keys) };
