#ifndef ACTOR_ENVS_CRYPT_CAPTIONS_H
#define ACTOR_ENVS_CRYPT_CAPTIONS_H
/* What the crypt says: events, their rank among each other, their hidden truth, and
 * their surface forms. */

#include <stdbool.h>
#include <stdint.h>

struct crypt;

/* Event codes, the hidden truth beside a caption. */
enum crypt_event {
    EV_ENTER,
    EV_STAIRS_SEEN,
    EV_STAIRS_ON,
    EV_DESCEND,
    EV_KEY_SEEN,
    EV_KEY_ON,
    EV_KEY_TAKEN,
    EV_LOCKED,
    EV_UNLOCK,
    EV_CHEST_SEEN,
    EV_CHEST_OPEN,
    EV_ORACLE_SEEN,
    EV_ORACLE_MET,
    EV_DEATH_BITE,
    EV_DEATH_TRAP,
    EV_DEATH_HUNGER,
    EV_HIT,
    EV_MISS,
    EV_KILL,
    EV_BITE,
    EV_GOLD_TAKEN,
    EV_EATEN,
    EV_TRAP,
    EV_READ,
    EV_HUNGRY,
    EV_WHISPER,
    EV_MONSTER_SEEN,
    EV_GOLD_SEEN,
    EV_FOOD_SEEN,
    EV_FOOD_ON,
    EV_TRAP_SEEN,
    EV_INSCRIPTION_SEEN,
    EV_INSCRIPTION_ON,
    EV_STATUE_SEEN,
    EV_DOOR,
    EV_WALL,
    EV_NO_DOWN,
    EV_NO_UP,
    EV_NO_PICKUP,
    EV_AMBIENT,
    EV_AMBIENT_STAIRS, // decoys: mention stairs or keys, mean nothing
    EV_AMBIENT_KEYS,
    EVENTS
};

/* A higher rank is said instead of a lower one; of equal ones the first. */
enum caption_rank {
    RANK_EMPTY,
    RANK_AMBIENT,
    RANK_WALL,
    RANK_SIGHT,
    RANK_ITEM,
    RANK_FIGHT,
    RANK_PROGRESS,
    RANK_DEATH,
    RANK_SUCCESS
};

enum { FORMS_MAX = 4, AMBIENT_FORMS = 40, KINDS = 26, ADJECTIVES = 8, METALS = 6 };

/* words.c */
struct caption_kind {
    uint8_t rank;
    const char *forms[FORMS_MAX]; // the unused ones are NULL
};
extern const struct caption_kind words_events[EVENTS];
extern const char *const words_ambient[AMBIENT_FORMS];
extern const char *const words_kinds[KINDS];
extern const char *const words_adjectives[ADJECTIVES];
extern const char *const words_metals[METALS];
extern const char *const words_ordinals[];
enum { ORDINALS = 12 };

/* Draws the surface forms of a new level. */
void captions_draw_forms(struct crypt *g);
void captions_begin(struct crypt *g); // nothing was said yet
void captions_note(struct crypt *g, enum crypt_event event);
void captions_note_number(struct crypt *g, enum crypt_event event, int number);
void captions_note_monster(struct crypt *g, enum crypt_event event, int kind,
                           int adjective);
/* As captions_note_number, at the rank of a success. */
void captions_note_success(struct crypt *g, enum crypt_event event, int number);
/* A sound from far away, now and then. */
void captions_ambient(struct crypt *g);
/* Writes the caption of this step into the observation. */
void captions_write(struct crypt *g);

/* 1 progress, 0 not, and the strength 0..3, for a task_kind. */
int captions_truth(int task_kind, int event, int *strength);

#endif
