/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of requests as Docker's decoder takes and refuses them: names in any case, words for what
 * is no JSON. */
#include "engine/docker/json_fault.h"
#include "engine/docker/spell.h"
#include "lib/own.h"
#include "tests/unit/tap.h"

static void test_faults(void)
{
	static const char *const rows[][2] = {
		{ "{invalid json", "invalid JSON: invalid character 'i' looking for beginning of "
				   "object key string" },
		{ "{} trailing content", "unexpected content after JSON" },
		{ "nonsense",
		  "invalid JSON: invalid character 'o' in literal null (expecting 'u')" },
		{ "x", "invalid JSON: invalid character 'x' looking for beginning of value" },
		{ "'a'", "invalid JSON: invalid character '\\'' looking for beginning of value" },
		{ "{\"a\" 1}", "invalid JSON: invalid character '1' after object key" },
		{ "{\"a\":1 \"b\"}",
		  "invalid JSON: invalid character '\"' after object key:value pair" },
		{ "{\"a\":1,}", "invalid JSON: invalid character '}' looking for beginning of "
				"object key string" },
		{ "[1 2]", "invalid JSON: invalid character '2' after array element" },
		{ "[1,]", "invalid JSON: invalid character ']' looking for beginning of value" },
		{ "{\"a\":[1", "invalid JSON: unexpected EOF" },
		{ "\"a\nb\"", "invalid JSON: invalid character '\\n' in string literal" },
		{ "\"\\x\"", "invalid JSON: invalid character 'x' in string escape code" },
		{ "\"\\u12g4\"",
		  "invalid JSON: invalid character 'g' in \\u hexadecimal character escape" },
		{ "-x", "invalid JSON: invalid character 'x' in numeric literal" },
		{ "1.x",
		  "invalid JSON: invalid character 'x' after decimal point in numeric literal" },
		{ "1ex", "invalid JSON: invalid character 'x' in exponent of numeric literal" },
		{ "01", "unexpected content after JSON" },
	};
	static const char *const fine[] = { "{}",
					    " [1, -2.5e+3, \"\\u00e4\", true, {\"a\": null}] ",
					    "0" };
	char text[JSON_FAULT_MAX];

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		ok(json_fault(str_from(rows[i][0]), text), "a fault: %s", rows[i][0]);
		is_text(text, rows[i][1], "its words");
	}
	for (size_t i = 0; i < ARRAY_LEN(fine); i++)
		ok(!json_fault(str_from(fine[i]), text), "none: %s", fine[i]);
}

static void test_spelling(void)
{
	static const char text[] = "{\"image\":\"a\",\"HOSTCONFIG\":{\"TmpFs\":{\"Image\":\"\","
				   "\"memory\":\"\"},\"memory\":5},"
				   "\"labels\":{\"image\":\"x\"},\"Cmd\":[],\"cmd\":1,"
				   "\"NetworkingConfig\":{\"endpointsConfig\":{\"memory\":{"
				   "\"ipamconfig\":{\"ipv4address\":\"x\"}}}}}";
	const struct json *host, *ends;
	struct json_doc doc = { 0 };
	int r = json_parse(STR(text), JSON_TEXT_MAX, &doc, NULL);

	is_int(r, 0, "the body");
	docker_spell(doc.root);
	host = json_get(doc.root, "HostConfig");
	ends = json_get(json_get(doc.root, "NetworkingConfig"), "EndpointsConfig");
	ok(json_is(json_get(doc.root, "Image"), "a"), "a member");
	ok(json_type(json_get(host, "Memory")) == JSON_NUMBER, "a member of a member");
	ok(json_get(json_get(host, "Tmpfs"), "memory") &&
		   json_get(json_get(host, "Tmpfs"), "Image"),
	   "a client's own words stay, of mounts");
	ok(json_get(json_get(doc.root, "Labels"), "image") != NULL, "and of labels");
	ok(json_type(json_get(doc.root, "Cmd")) == JSON_ARRAY, "the API's own spelling wins");
	ok(json_is(json_get(json_get(json_get(ends, "memory"), "IPAMConfig"), "IPv4Address"), "x"),
	   "what a network's own name leads to is the API's again");
	json_done(&doc);
}

int main(void)
{
	test_faults();
	test_spelling();
	return tap_done();
}
