#include "tests/support/fake_roles.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/base/check.h"
#include "common/base/file.h"
#include "common/base/mem.h"
#include "common/base/text.h"
#include "tests/support/harness.h"

/* Prints each "name=default" as --print-config does, with the command line's value. */
static const char config_sh[] =
    "#!/bin/sh\n"
    "print_config() {\n"
    "  rows=$1; shift\n"
    "  for row in $rows; do\n"
    "    name=${row%%=*}; value=${row#*=}\n"
    "    for arg in \"$@\"; do\n"
    "      case $arg in --$name=*) value=${arg#*=};; esac\n"
    "    done\n"
    "    echo \"# about $name\"; echo \"$name = $value\"\n"
    "  done\n"
    "}\n"
    "for arg in \"$@\"; do\n"
    "  case $arg in --run-dir=*) run=${arg#*=};; --print-config) print=1;; esac\n"
    "done\n";

static const char learner_sh[] =
    ". \"$(dirname \"$0\")/config.sh\"\n"
    "if [ -n \"$print\" ]; then\n"
    "  for arg in \"$@\"; do case $arg in --lr=*[a-z]*)\n"
    "    echo \"minos-learner: $arg is not allowed; a number\" >&2; exit 2;; esac\n"
    "  done\n"
    "  print_config 'run-dir= env=crypt-vault goal= reward=retrieval judge=rule\n"
    "    net=cells batch=1024 segment-steps=32 seed=1 steps=0 seconds=0 lr=0.001\n"
    "    port=0 bind=127.0.0.1 store-mb=100 checkpoint-seconds=30 word-vectors= "
    "value-norm=true' "
    "\"$@\"\n"
    "  exit 0\n"
    "fi\n"
    "echo tcp://127.0.0.1:7340 > $run/address\n"
    "echo started >> $run/learner-starts\n"
    "echo 'not a line of ours' >&2\n"
    "echo '12:00:00.000 learner.0 WARN  FAKE-WARN    a warning to see' >&2\n"
    "echo '12:00:00.000 learner.0 INFO  FAKE-INFO    nothing to see' >&2\n"
    "trap '' USR1\n"
    "while :; do\n"
    "  state=running; [ -e $run/learner-stopping ] && state=stopping\n"
    "  echo \"{\\\"state\\\": \\\"$state\\\", \\\"env_steps\\\": 5, \\\"sps\\\": 7}\" "
    "> "
    "$run/p.tmp\n"
    "  mv $run/p.tmp $run/progress.json\n"
    "  [ -e $run/learner-die ] && exit 1\n"
    "  if [ -e $run/learner-done ] ||\n"
    "     { [ -e $run/control/stop ] && [ ! -e $run/learner-deaf ]; }; then\n"
    "    echo '{\"env_steps\": 5, \"seconds\": 1, \"sps\": 7}' > $run/summary.json\n"
    "    echo '{\"state\": \"done\"}' > $run/progress.json\n"
    "    exit 0\n"
    "  fi\n"
    "  sleep 0.05\n"
    "done\n";

static const char actor_sh[] =
    ". \"$(dirname \"$0\")/config.sh\"\n"
    "if [ \"$1\" = describe ]; then\n"
    "  case \"$*\" in *--env=crypt-vault*|*--env=bandit*)\n"
    "    echo '{\"task\": \"x\", \"goal\": \"treasure\", \"truth\": 0}'; exit 0;; "
    "esac\n"
    "  echo 'there is no such task, did you mean crypt-vault' >&2; exit 2\n"
    "fi\n"
    "if [ -n \"$print\" ]; then\n"
    "  print_config 'run-dir= env=crypt-vault envs=32 env-options= id=-1' \"$@\"; exit "
    "0\n"
    "fi\n"
    "trap 'exit 0' TERM\n"
    "leave=; [ -e $run/actor-leave ] && read -r leave < $run/actor-leave\n"
    "echo started >> $run/actor-starts\n"
    "while :; do\n"
    "  [ -e $run/actor-die ] && { echo 'the last words' >&2; exit 1; }\n"
    "  [ -e $run/actor-usage ] && exit 2\n"
    "  word=; [ -e $run/actor-leave ] && read -r word < $run/actor-leave\n"
    "  [ \"$word\" = \"$leave\" ] || exit 0\n"
    "  sleep 0.05\n"
    "done\n";

static const char judge_sh[] =
    ". \"$(dirname \"$0\")/config.sh\"\n"
    "if [ -n \"$print\" ]; then print_config 'judge=rule rules= goal= seed=1' \"$@\"\n"
    "  exit 0; fi\n"
    "trap 'exit 0' TERM\n"
    "echo started >> $run/judge-starts\n"
    "while :; do [ -e $run/judge-die ] && exit 1; sleep 0.05; done\n";

static void write_script(const char *dir, const char *name, const char *text)
{
    char path[PATH_MAX_], whole[8192];

    CHECK(text_format(path, sizeof(path), "%s/bin/%s", dir, name));
    CHECK(text_format(whole, sizeof(whole), "%s%s", text[0] == '#' ? "" : "#!/bin/sh\n",
                      text));
    CHECK(file_write_atomic(path, bytes_text(whole)) == ST_OK);
    CHECK(chmod(path, 0755) == 0);
}

const char *fake_roles_make(const char *dir)
{
    static char path[PATH_MAX_];
    char from[PATH_MAX_], *program;
    size_t len;

    CHECK(text_format(path, sizeof(path), "%s/bin", dir));
    CHECK(file_make_dirs(path) == ST_OK);
    CHECK(text_format(path, sizeof(path), "%s/share/minos", dir));
    CHECK(file_make_dirs(path) == ST_OK);
    CHECK(text_format(path, sizeof(path), "%s/share/minos/goals", dir));
    CHECK(text_format(from, sizeof(from), "%s/judge/goals", getenv("MINOS_SOURCE")));
    CHECK(symlink(from, path) == 0);
    write_script(dir, "config.sh", config_sh);
    write_script(dir, "minos-learner", learner_sh);
    write_script(dir, "minos-actor", actor_sh);
    write_script(dir, "minos-judge", judge_sh);
    // minos looks for the others beside the file that it runs from: a copy, not a link.
    CHECK(text_format(from, sizeof(from), "%s/minos", getenv("MINOS_BIN")));
    CHECK(text_format(path, sizeof(path), "%s/bin/minos", dir));
    CHECK(file_read(from, 256 << 20, &program, &len) == ST_OK);
    CHECK(file_write_atomic(path, bytes_of(program, len)) == ST_OK);
    CHECK(chmod(path, 0755) == 0);
    mem_free(program);
    return path;
}
