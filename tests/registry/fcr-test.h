/* The harness of the store's tests: libfc's, with a main loop and a store.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#ifndef FCR_TEST_H
#define FCR_TEST_H

#include "fc-test.h"

#include "store.h"

/* Run the thread's default main context until COND is true. */
#define LOOP_UNTIL(cond)                                                       \
  do                                                                           \
    {                                                                          \
      int64_t until_ = now_ns () + BOUND;                                      \
      while (!(cond))                                                          \
        {                                                                      \
          if (now_ns () > until_)                                              \
            test_fail (__FILE__, __LINE__, "never came true: %s", #cond);      \
          loop_once ();                                                        \
        }                                                                      \
    }                                                                          \
  while (0)

#define CHECK_STR(a, b)                                                        \
  do                                                                           \
    {                                                                          \
      const char *a_ = (a), *b_ = (b);                                         \
      if (g_strcmp0 (a_, b_) != 0)                                             \
        test_fail (__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #a, a_,     \
                   b_);                                                        \
    }                                                                          \
  while (0)

/* ERROR has to be of the store's, with that code, and PART in its sentence. */
#define CHECK_ERROR(error, wanted, part)                                       \
  check_error (__FILE__, __LINE__, error, wanted, part)
void check_error (const char *file, int line, const GError *error, int wanted,
                  const char *part);

/* Whatever is ready, or a millisecond. */
void loop_once (void);
/* Let that much time of the main loop pass: for what must not happen in it. */
void loop_for (int64_t ns);

/* What was logged at the level of a message or above, from now on; anything
 * critical fails the test. */
void log_catch (void);
/* How many of those have PART in them. */
unsigned log_count (const char *part);

/* How often each signal came, for whatever slot. */
typedef struct
{
  unsigned added, removed, changed, attached, detached, lapped;
  guint64 dropped; /* of all that lapped told */
} signals_t;

/* A store over the test's directory, and a state file beside it; started.
 * SIGNALS may be NULL. */
FcrStore *store_new (signals_t *signals);
FcrStore *store_with (const FcrStoreOptions *options, signals_t *signals);
/* The usual options. */
FcrStoreOptions store_options (void);
/* Stop, and free. What was asked for has been answered when this returns. */
void store_end (FcrStore *store);
/* From now on the store learns what events tell it, and nothing else. */
void events_alone (FcrStore *store);
/* How often the store has looked at all that there is: about once a second. */
guint ticks (FcrStore *store);
const char *state_path (void);

/* The same without a main loop of the caller's. */
FcrSlot *create (FcrStore *store, const char *name,
                 const fc_writer_options_t *options, GError **error);
void create_ok (FcrStore *store, const char *name);
bool remove_slot (FcrStore *store, const char *name, bool force,
                  GError **error);
GStrv collect (FcrStore *store);

/* That creating NAME is an error, as for CHECK_ERROR. */
void check_create_fails (FcrStore *store, const char *name,
                         const fc_writer_options_t *options, int code,
                         const char *part);
/* Whether the state file, as it is on disk, has NAME. */
bool is_kept (const char *name);
FcrSlot *lookup (FcrStore *store, const char *name);
bool has_slot (FcrStore *store, const char *name);
/* Whether the slot is there and in that state. */
bool is_state (FcrStore *store, const char *name, FcrState state);

/* A child that writes SLOT, a frame of 8192 bytes each MS milliseconds (0: one
 * frame and then none), until it is killed. */
pid_t spawn_writer (const char *slot, unsigned ms);

#endif /* FCR_TEST_H */
