#include <stdio.h>

#include "common/base/option.h"
#include "learner/store/audit.h"

struct audit_options {
    char run_dir[OPTION_TEXT_MAX], store_dir[OPTION_TEXT_MAX];
    bool json;
};

#define ROW(field, name, type, preset, help)                                           \
    OPT(struct audit_options, field, name, type, preset, 0, 0, help)
static struct option audit_options_table[] = {
    ROW(run_dir, "run-dir", OPT_TEXT, "", "the run to audit"),
    ROW(store_dir, "store-dir", OPT_TEXT, "", "where its store lies; empty: run-dir"),
    ROW(json, "json", OPT_BOOL, "false", "one JSON object instead of a table"),
    OPT_END,
};

/* A run's store may lie elsewhere; its config.ini knows. */
static enum status read_options(int argc, char **argv, struct audit_options *o)
{
    char path[OPTION_TEXT_MAX + 16];
    FILE *there;

    option_defaults(audit_options_table, o);
    TRY(option_parse(audit_options_table, o, argc, argv));
    if (o->run_dir[0] == '\0') {
        fprintf(stderr, "--run-dir is missing: name the run directory\n");
        return ST_INVALID;
    }
    snprintf(path, sizeof(path), "%s/config.ini", o->run_dir);
    there = fopen(path, "re");
    if (there == NULL) {
        return ST_OK;
    }
    fclose(there);
    TRY(option_read_file(audit_options_table, o, path, true));
    return option_parse(audit_options_table, o, argc, argv);
}

int audit_main(int argc, char **argv)
{
    struct audit_options o;
    struct text_buf text = {0};
    struct audit a;

    if (option_is_given(argc, argv, "help")) {
        option_print_help(audit_options_table, "minos audit --run-dir=DIR [--json]",
                          NULL, stdout);
        return EXIT_DONE;
    }
    if (read_options(argc, argv, &o) != ST_OK) {
        return EXIT_USAGE;
    }
    if (audit_run(o.run_dir, o.store_dir, &a) != ST_OK) {
        return EXIT_FAILED;
    }
    if (o.json) {
        audit_json(&a, &text);
    } else {
        audit_print(&a, &text);
    }
    fputs(text.data, stdout);
    const int code = a.balances ? EXIT_DONE : EXIT_FAILED;
    text_buf_release(&text);
    audit_release(&a);
    return code;
}
