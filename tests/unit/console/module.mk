UNIT += tests/unit/console/test_script
tests/unit/console/test_script_OBJS := tests/unit/console/test_script.o init/console/script.o
UNIT += tests/unit/console/test_edit tests/unit/console/test_words
tests/unit/console/test_edit_OBJS := tests/unit/console/test_edit.o init/console/edit.o
tests/unit/console/test_words_OBJS := tests/unit/console/test_words.o init/console/words.o
FUZZ += tests/fuzz/fuzz_console
tests/fuzz/fuzz_console_OBJS := tests/fuzz/fuzz_console.o init/console/edit.o init/console/words.o
