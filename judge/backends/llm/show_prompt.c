#include "judge/backends/llm/show_prompt.h"

#include <stdio.h>
#include <string.h>

#include "common/base/file.h"
#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/base/option.h"
#include "common/base/share.h"
#include "judge/backends/llm/prompt.h"
#include "judge/goal.h"

struct show_options {
    char goal[OPTION_TEXT_MAX], style[OPTION_TEXT_MAX], env[OPTION_TEXT_MAX];
    char item[OPTION_TEXT_MAX], prompt_file[OPTION_TEXT_MAX], form[OPTION_TEXT_MAX];
    bool reasoning, help;
};

#define ROW(field, name_, type, preset_, help_)                                        \
    OPT(struct show_options, field, name_, type, preset_, 0, 0, help_)

static struct option table[] = {
    ROW(goal, "goal", OPT_TEXT, "",
        "a name of share/minos/goals or the path of a goal file"),
    ROW(style, "style", OPT_TEXT, "binary", "binary, graded, pair or order"),
    ROW(reasoning, "reasoning", OPT_BOOL, "false",
        "a short reasoning comes before the answer"),
    ROW(env, "env", OPT_TEXT, "crypt-vault", "task whose family is described"),
    ROW(item, "item", OPT_TEXT, "",
        "a caption; more of them for --style=pair and order. Without one: "
        "placeholders"),
    ROW(prompt_file, "prompt-file", OPT_TEXT, "",
        "your own prompt file (judge/prompts/README.md); empty: ours for the style"),
    OPT_ONE_OF(struct show_options, form, "llm-structured", "text",
               "text|schema|choice", "how the server is held to the answer's form"),
    ROW(help, "help", OPT_BOOL, "false", "this list"),
    OPT_END,
};

static const char usage[] = "minos prompt --goal=GOAL [--NAME=VALUE ...]";
static const char examples[] =
    "Examples:\n"
    "  minos prompt --goal=treasure --style=binary --item=\"You see a chest.\"\n"
    "  minos prompt --goal=stairs --style=pair --reasoning --env=nethack-stairs3 \\\n"
    "      --item=\"You hear bubbling water.\" --item=\"There is a staircase down "
    "here.\"\n";

/* ---- captions ---- */

/* The next character of a terminal's UTF-8; a byte that is none stands for itself. */
static int next_char(const unsigned char **at)
{
    const unsigned char *c = *at;
    const int more = c[0] >= 0xf0 ? 3 : c[0] >= 0xe0 ? 2 : c[0] >= 0xc2 ? 1 : 0;
    int value = more == 3 ? c[0] & 7 : more == 2 ? c[0] & 15 : c[0] & 31;

    for (int i = 1; i <= more; i++) {
        if ((c[i] & 0xc0) != 0x80) {
            *at = c + 1;
            return c[0];
        }
        value = value << 6 | (c[i] & 0x3f);
    }
    *at = c + more + 1;
    return more > 0 ? value : c[0];
}

/* Captions are Latin-1; what is typed is UTF-8. */
static bool set_caption(struct judge_caption *c, const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    int len = 0;

    while (*at != '\0') {
        const int value = next_char(&at);
        if (value > 0xff || len == SEGMENT_TEXT_MAX) {
            fprintf(stderr,
                    "minos prompt: --item: %.40s%s is no caption; at most 255 "
                    "characters, all of Latin-1\n",
                    text, strlen(text) > 40 ? "..." : "");
            return false;
        }
        c->text[len++] = (char)(unsigned char)value;
    }
    c->text[len] = '\0';
    c->len = (uint8_t)len;
    return true;
}

struct items {
    struct judge_caption caption[ITEM_CAPTIONS_MAX];
    int count;
};

/* Takes the --item=TEXT out of the command line, since there may be several. */
static bool take_items(int *argc, char **argv, struct items *out)
{
    static const char name[] = "--item=";
    int kept = 0;

    for (int i = 0; i < *argc; i++) {
        if (i == 0 || strncmp(argv[i], name, sizeof(name) - 1) != 0) {
            argv[kept++] = argv[i];
            continue;
        }
        if (out->count == ITEM_CAPTIONS_MAX) {
            fprintf(stderr, "minos prompt: --item: more than %d captions\n",
                    ITEM_CAPTIONS_MAX);
            return false;
        }
        if (!set_caption(&out->caption[out->count], argv[i] + sizeof(name) - 1)) {
            return false;
        }
        out->count++;
    }
    *argc = kept;
    return true;
}

/* Placeholders where none was given; false: not as many as the style compares. */
static bool check_items(enum prompt_style style, struct items *items)
{
    const bool order = style == STYLE_ORDER;
    const int wanted = order ? 2 : style == STYLE_PAIR ? 2 : 1;

    if (items->count == 0) {
        items->count = order ? 3 : wanted;
        for (int i = 0; i < items->count; i++) {
            struct judge_caption *c = &items->caption[i];
            c->len = (uint8_t)snprintf(c->text, sizeof(c->text), "CAPTION %d", i + 1);
        }
    }
    if (items->count != wanted && !(order && items->count > wanted)) {
        fprintf(stderr, "minos prompt: --item: %d given, --style=%s needs %s%s\n",
                items->count, prompt_style_name(style),
                wanted == 1 ? "one"
                : order     ? "2 to 8"
                            : "two",
                ", each as --item=TEXT");
        return false;
    }
    return true;
}

/* ---- goal ---- */

/* "runs/mine.goal" is "mine". */
static struct bytes name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    const char *name = slash != NULL ? slash + 1 : path;
    const size_t len = strlen(name);
    const bool ends = len > 5 && strcmp(name + len - 5, ".goal") == 0;

    return bytes_of(name, ends ? len - 5 : len);
}

static enum status read_goal(const struct show_options *o, struct goal *goal)
{
    char relative[OPTION_TEXT_MAX + 16], path[PATH_MAX_], suggestion[512], *text;
    const bool named = strchr(o->goal, '/') == NULL;
    size_t len;

    text_format(path, sizeof(path), "%s", o->goal);
    text_format(relative, sizeof(relative), "goals/%s.goal", o->goal);
    if (o->goal[0] == '\0' || (named && !share_path(relative, path, sizeof(path)))) {
        share_suggest("goals", ".goal", o->goal, suggestion, sizeof(suggestion));
        fprintf(stderr, "minos prompt: --goal: %s%s; %s\n",
                o->goal[0] != '\0' ? "there is no goal " : "none is given", o->goal,
                suggestion);
        return ST_INVALID;
    }
    const enum status st = file_read(path, 1 << 16, &text, &len);
    if (st == ST_NOTFOUND) {
        fprintf(stderr, "minos prompt: --goal: there is no file %s\n", path);
    }
    TRY(st);
    const enum status parsed =
        goal_init(goal, name_of(o->goal), bytes_text(o->env), bytes_of(text, len));
    mem_free(text);
    return parsed;
}

/* ---- printing ---- */

static void print_part(const char *name, const char *text)
{
    printf("==== %s\n%s\n", name, text);
}

static void print_prompt(struct prompt *p, const struct items *items)
{
    const struct judge_question q = {.captions = items->count,
                                     .caption = items->caption};
    struct text_buf system = {.data = NULL}, user = {.data = NULL};
    struct text_buf schema = {.data = NULL};
    const char *words[PROMPT_CHOICES_MOST];

    prompt_fill(p, &q, NULL, &system, &user);
    prompt_schema(p, q.captions, &schema);
    print_part("system", system.data);
    print_part("user", user.data);
    print_part("reminder, if the answer cannot be read", prompt_reminder(p));
    print_part("schema, where the server takes one", schema.data);
    const int count = prompt_choices(p, q.captions, words, PROMPT_CHOICES_MOST);
    if (count > 0) {
        printf("==== choices, where it takes those\n");
    }
    for (int i = 0; i < count; i++) {
        printf("%s\n", words[i]);
    }
    text_buf_release(&system);
    text_buf_release(&user);
    text_buf_release(&schema);
}

static enum status show(const struct show_options *o, struct items *items)
{
    const struct prompt_options options = {o->style, o->reasoning, o->prompt_file};
    struct goal goal = {.text = NULL};
    struct prompt *p = NULL;

    TRY(read_goal(o, &goal));
    enum status st = prompt_open(&goal.view, &options, &p);
    if (st == ST_OK && !check_items(prompt_style_of(p), items)) {
        st = ST_INVALID;
    }
    if (st == ST_OK) {
        prompt_set_mode(p, strcmp(o->form, "schema") == 0   ? MODE_SCHEMA
                           : strcmp(o->form, "choice") == 0 ? MODE_CHOICE
                                                            : MODE_TEXT);
        print_prompt(p, items);
    }
    prompt_free(p);
    goal_release(&goal);
    return st;
}

int show_prompt_main(int argc, char **argv)
{
    static char origin[] = "minos prompt"; // whom option errors name
    static struct items items;
    struct show_options options;

    option_defaults(table, &options);
    if (option_is_given(argc, argv, "help")) {
        option_print_help(table, usage, examples, stdout);
        return EXIT_DONE;
    }
    argv[0] = origin;
    if (!take_items(&argc, argv, &items) ||
        option_parse(table, &options, argc, argv) != ST_OK) {
        return EXIT_USAGE;
    }
    log_open("judge", -1, LOG_INFO_);
    const enum status st = show(&options, &items);
    return st == ST_OK ? EXIT_DONE : st == ST_IO ? EXIT_FAILED : EXIT_USAGE;
}
