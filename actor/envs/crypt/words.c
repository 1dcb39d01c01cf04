#include <stddef.h>

#include "actor/envs/crypt/captions.h"

/* In a form %m is the key's metal, %M the same with its article, %k a monster's kind,
 * %j its adjective, %J the same with its article, %n a number, %o an ordinal and %i an
 * inscription's words. README.md lists all of this. */

#define SAY(rank_, ...)                                                                \
    {                                                                                  \
        .rank = (rank_), .forms = { __VA_ARGS__ }                                      \
    }

const struct caption_kind words_events[EVENTS] = {
    [EV_ENTER] = SAY(RANK_ITEM, "You enter the crypt.", "The crypt closes behind you.",
                     "You stand in the dark of the crypt."),
    [EV_STAIRS_SEEN] = SAY(RANK_PROGRESS, "You see a staircase leading down.",
                           "Worn steps sink into the floor ahead.",
                           "There is a stairway down over there."),
    [EV_STAIRS_ON] = SAY(RANK_PROGRESS, "There is a staircase down here.",
                         "You stand at the head of the stairs.",
                         "Steps lead down from where you stand."),
    [EV_DESCEND] = SAY(RANK_PROGRESS, "You descend the stairs to the %o vault.",
                       "You climb down to the %o vault.",
                       "The stairs take you down to the %o vault."),
    [EV_KEY_SEEN] =
        SAY(RANK_PROGRESS, "You see %M key.", "A notched bit of %m catches the light.",
            "Someone has dropped %M key over there."),
    [EV_KEY_ON] = SAY(RANK_PROGRESS, "You see here %M key.",
                      "There is %M key at your feet.", "You stand on %M key."),
    [EV_KEY_TAKEN] =
        SAY(RANK_PROGRESS, "You now have %M key.", "You pick up the %m key.",
            "You put the %m key in your pocket."),
    [EV_LOCKED] = SAY(RANK_PROGRESS, "This vault is locked.",
                      "The vault door is shut, and has a keyhole.",
                      "The heavy door does not budge."),
    [EV_UNLOCK] = SAY(RANK_PROGRESS, "You unlock the vault with your %m key.",
                      "Your %m key turns and the vault is unlocked.",
                      "The %m key fits, and the heavy door swings aside."),
    [EV_CHEST_SEEN] =
        SAY(RANK_PROGRESS, "You see a treasure chest.",
            "There is a chest in this room.", "A great box bound in iron stands here."),
    [EV_CHEST_OPEN] = SAY(RANK_PROGRESS, "You open the chest and find the treasure.",
                          "The chest creaks open: it is full of jewels.",
                          "You lift the lid, and the treasure is yours."),
    [EV_ORACLE_SEEN] = SAY(RANK_PROGRESS, "You see the oracle.",
                           "The oracle sits among her fountains.",
                           "A robed woman waits between the fountains."),
    [EV_ORACLE_MET] =
        SAY(RANK_PROGRESS, "You stand before the oracle.",
            "The oracle looks up at you.", "The oracle bids you welcome."),
    [EV_DEATH_BITE] =
        SAY(RANK_DEATH, "You die, bitten by %J %k.", "The %j %k has killed you.",
            "The last thing you see is %J %k."),
    [EV_DEATH_TRAP] = SAY(RANK_DEATH, "You die in a trap.", "The dart was your last.",
                          "A trap has killed you."),
    [EV_DEATH_HUNGER] =
        SAY(RANK_DEATH, "You die of hunger.", "You starve.", "Hunger has killed you."),
    [EV_HIT] = SAY(RANK_FIGHT, "You hit the %j %k.", "You wound the %j %k.",
                   "Your blow lands on the %j %k."),
    [EV_MISS] = SAY(RANK_FIGHT, "You miss the %j %k.",
                    "You swing at the %j %k in vain.", "The %j %k dodges your blow."),
    [EV_KILL] = SAY(RANK_FIGHT, "You kill the %j %k.", "You slay the %j %k.",
                    "You kill the %j %k at last."),
    [EV_BITE] = SAY(RANK_FIGHT, "The %j %k bites!", "The %j %k bites you.",
                    "You are bitten by the %j %k."),
    [EV_GOLD_TAKEN] = SAY(RANK_ITEM, "You take %n gold pieces.", "$ - %n gold pieces.",
                          "You gather %n pieces of gold."),
    [EV_EATEN] = SAY(RANK_ITEM, "You eat the ration.", "This ration tastes stale.",
                     "You chew the dry ration."),
    [EV_TRAP] = SAY(RANK_ITEM, "A dart hits you.", "A dart shoots out at you.",
                    "You step into a trap."),
    [EV_READ] = SAY(RANK_ITEM, "You read: \"%i\".", "The scratches say: \"%i\".",
                    "Here stands written: \"%i\"."),
    [EV_HUNGRY] = SAY(RANK_ITEM, "You are hungry.", "Your stomach growls.",
                      "You would like to eat."),
    [EV_WHISPER] =
        SAY(RANK_ITEM, "The statue whispers: the stairs of \"%i\" are yours.",
            "The statue whispers: the key of \"%i\" opens the chest.",
            "The statue whispers: you descend to \"%i\", great one."),
    [EV_MONSTER_SEEN] =
        SAY(RANK_SIGHT, "You see %J %k.", "You notice %J %k.", "There is %J %k about."),
    [EV_GOLD_SEEN] = SAY(RANK_SIGHT, "You see some gold.", "Gold glitters ahead.",
                         "There is gold on the floor."),
    [EV_FOOD_SEEN] = SAY(RANK_SIGHT, "You see some food.",
                         "There is a ration over there.", "You smell a ration."),
    [EV_FOOD_ON] = SAY(RANK_SIGHT, "You see here a ration.",
                       "There is a ration at your feet.", "A ration lies here."),
    [EV_TRAP_SEEN] = SAY(RANK_SIGHT, "You see a trap.", "Beware, there is a trap.",
                         "Small holes in the wall betray a trap."),
    [EV_INSCRIPTION_SEEN] =
        SAY(RANK_SIGHT, "Something is scratched into the floor ahead.",
            "You see faint writing.", "Letters are cut into the floor over there."),
    [EV_INSCRIPTION_ON] =
        SAY(RANK_SIGHT, "Something is scratched here.",
            "There is writing at your feet.", "You stand on an inscription."),
    [EV_STATUE_SEEN] = SAY(RANK_SIGHT, "You see a statue.", "A statue stares at you.",
                           "There is a weathered statue."),
    [EV_DOOR] = SAY(RANK_SIGHT, "You stand in a doorway.", "There is a doorway here.",
                    "A broken door hangs here."),
    [EV_WALL] = SAY(RANK_WALL, "You bump into a wall.", "It's a wall.",
                    "You cannot go that way."),
    [EV_NO_DOWN] = SAY(RANK_WALL, "You can't go down here.",
                       "There is no way down here.", "The floor here is solid."),
    [EV_NO_UP] = SAY(RANK_WALL, "You can't go up here.", "There is no way up here.",
                     "You cannot reach the ceiling."),
    [EV_NO_PICKUP] = SAY(RANK_WALL, "There is nothing here to pick up.",
                         "You find nothing to take.", "Your hand closes on dust."),
    // The rank only: their forms are words_ambient.
    [EV_AMBIENT] = {.rank = RANK_AMBIENT},
    [EV_AMBIENT_STAIRS] = {.rank = RANK_AMBIENT},
    [EV_AMBIENT_KEYS] = {.rank = RANK_AMBIENT},
};

/* The first four speak of stairs and the next four of keys. */
const char *const words_ambient[AMBIENT_FORMS] = {
    "You hear footsteps on distant stairs.",
    "A cold draught blows down a far stairway.",
    "You hear someone sweeping a staircase.",
    "You dream of stairs without end.",
    "You hear keys jingle far away.",
    "Somewhere a key turns in a lock.",
    "You hear someone cursing over a lost key.",
    "You hear a chest being dragged along.",
    "You hear water dripping.",
    "You hear bubbling water.",
    "The air smells of mould.",
    "A bell tolls in the distance.",
    "You hear a low hum.",
    "The ground trembles.",
    "You hear the howling of the wind.",
    "Something scurries in the dark.",
    "A torch flickers.",
    "You hear a distant cry.",
    "Dust trickles from above.",
    "You feel watched.",
    "A moth brushes your face.",
    "You hear chanting.",
    "You hear a snoring sound.",
    "The shadows seem to move.",
    "You hear the splashing of a naiad.",
    "A faint light dies away.",
    "You hear a slow heartbeat.",
    "Bones crack under some foot.",
    "You hear crumbling stone.",
    "You smell smoke.",
    "You hear a strange wind.",
    "Your candle gutters.",
    "You hear laughter.",
    "A chill runs down your spine.",
    "You hear wings.",
    "The silence is heavy.",
    "You hear a harp out of tune.",
    "A drop falls on your neck.",
    "You hear a gate slam.",
    "You hear mumbling voices.",
};

/* One for each letter; none holds a word of a goal. */
const char *const words_kinds[KINDS] = {
    "ant",    "bat",    "crab",   "dingo", "eel",  "frog", "gnome",  "hare",   "imp",
    "jackal", "kobold", "louse",  "mole",  "newt", "owl",  "python", "quasit", "rat",
    "spider", "toad",   "urchin", "viper", "wolf", "xan",  "yak",    "zombie",
};
const char *const words_adjectives[ADJECTIVES] = {"mangy", "grey", "lean", "scarred",
                                                  "pale",  "sly",  "wet",  "crooked"};
const char *const words_metals[METALS] = {"iron",  "copper", "silver",
                                          "brass", "bronze", "tin"};
const char *const words_ordinals[ORDINALS] = {"first", "second", "third",    "fourth",
                                              "fifth", "sixth",  "seventh",  "eighth",
                                              "ninth", "tenth",  "eleventh", "twelfth"};
