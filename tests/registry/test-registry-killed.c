/* kill -9 of who makes and removes slots, at every step and at any moment: the
 * next start brings the directory and the state file together.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * Linked with --wrap for what changes something outside the process: it dies
 * just before, or just after, the one that is its turn.
 */
#include "fcr-test.h"
#include "keeper.h"
#include "store-private.h"

static int die_at; /* 0: not */
static int steps;

static void
step (void)
{
  if (die_at > 0 && ++steps == die_at)
    kill (getpid (), SIGKILL);
}

#define WRAP(type, name, parameters, arguments)                                \
  type __real_##name parameters;                                               \
  type __wrap_##name parameters;                                               \
  type __wrap_##name parameters                                                \
  {                                                                            \
    type result;                                                               \
                                                                               \
    step ();                                                                   \
    result = __real_##name arguments;                                          \
    step ();                                                                   \
    return result;                                                             \
  }

WRAP (int, fsync, (int fd), (fd))
WRAP (int, rename, (const char *from, const char *to), (from, to))
WRAP (int, unlink, (const char *path), (path))
WRAP (ssize_t, write, (int fd, const void *data, size_t size), (fd, data, size))
WRAP (int, fc_slot_reserve,
      (const char *slot, const fc_writer_options_t *options), (slot, options))
WRAP (int, fc_slot_remove, (const char *dir, const char *slot, int force),
      (dir, slot, force))

/* What is done, and dies --------------------------------------------------- */

typedef struct
{
  void (*act) (FcrKeeper *keeper);
  int at;
} dying_t;

static void
act_and_die (void *arg)
{
  const dying_t *dying = arg;
  GError *error = NULL;
  FcrKeeper keeper = { test_dir, fcr_state_file_open (state_path (), &error) };

  if (keeper.file == NULL)
    test_fail (__FILE__, __LINE__, "%s", error->message);
  die_at = dying->at;
  dying->act (&keeper);
}

static void
act_create (FcrKeeper *keeper)
{
  fc_writer_options_t options = small_ring ();

  CHECK (fcr_keeper_create (
      keeper, fcr_entry_new ("cam0", &options, geteuid ()), NULL));
}

static void
act_remove (FcrKeeper *keeper)
{
  CHECK (fcr_keeper_remove (keeper, "cam0", FALSE, NULL));
}

static void
act_remove_forced (FcrKeeper *keeper)
{
  CHECK (fcr_keeper_remove (keeper, "cam0", TRUE, NULL));
}

static void
act_adopt (FcrKeeper *keeper)
{
  CHECK (fcr_keeper_adopt (keeper, "cam0", NULL));
}

static void
act_forget (FcrKeeper *keeper)
{
  CHECK (fcr_keeper_forget (keeper, "cam0", NULL));
}

static void
act_recover (FcrKeeper *keeper)
{
  fcr_keeper_recover (keeper);
}

/* What comes of it --------------------------------------------------------- */

static bool
is_in_file (const char *name)
{
  FcrStateFile *file = fcr_state_file_open (state_path (), NULL);
  FcrEntry *entry;
  bool kept;

  CHECK (file != NULL);
  entry = fcr_state_file_lookup (file, name);
  kept = entry != NULL;
  CHECK (!kept || !entry->removing);
  fcr_state_file_close (file);
  return kept;
}

/* Run a registry until it has done what it had to. */
static void
run_registry (void)
{
  FcrStore *store = store_new (NULL);
  GHashTableIter iter;
  gpointer value;
  bool busy;

  do
    {
      /* The worker does one thing after the other: this is the last. */
      g_strfreev (collect (store));
      busy = false;
      g_hash_table_iter_init (&iter, store->kept);
      while (g_hash_table_iter_next (&iter, NULL, &value))
        busy = busy || ((FcrKept *) value)->busy || ((FcrKept *) value)->wanted;
    }
  while (busy);
  store_end (store);
}

/* Whether there is a whole slot NAME; else there has to be nothing of it. */
static bool
is_whole (const char *name)
{
  fc_slot_stat_t stat = { .struct_size = sizeof stat };
  bool there = fc_slot_stat (test_dir, name, &stat) == 0;

  CHECK_EQ (there, exists (in_dir ("%s.ring", name)));
  CHECK_EQ (there, is_in_file (name));
  CHECK (!there || stat.reserved);
  return there;
}

/* Die in ACT at each of its steps after PREPARE, which leaves a slot where
 * BEFORE is true; then let a registry run. From some step on the slot is what
 * ACT makes of it, AFTER; before that what it was. FINAL: a ring that is gone
 * stays so, for its consumers were told. */
static void
die_at_each_step (void (*prepare) (void), void (*act) (FcrKeeper *keeper),
                  bool before, bool after, bool final)
{
  dying_t dying = { act, 0 };
  bool acted = false;
  int status;

  do
    {
      bool whole, gone;

      if (prepare != NULL)
        prepare ();
      dying.at++;
      status = reap (spawn (act_and_die, &dying));
      CHECK (WIFSIGNALED (status) ? WTERMSIG (status) == SIGKILL
                                  : WEXITSTATUS (status) == 0);
      gone = !exists (in_dir ("cam0.ring"));
      run_registry ();
      whole = is_whole ("cam0");
      CHECK (!final || !gone || !whole);
      CHECK (whole == before || whole == after);
      if (before != after && whole == after)
        acted = true;
      else
        CHECK (!acted);
      /* And it stays. */
      run_registry ();
      CHECK_EQ (is_whole ("cam0"), whole);
      if (whole)
        CHECK_OK (fc_slot_remove (test_dir, "cam0", 1));
      remove_tree (in_dir ("state"));
      /* The lock is all that may be left. */
      CHECK_CMP (count_files (test_dir), <=, 1u);
    }
  while (WIFSIGNALED (status));
  fprintf (stderr, "# died at %d steps\n", dying.at - 1);
  CHECK_CMP (dying.at, >, 5);
  CHECK (acted || before == after);
}

static void
make_slot (void)
{
  FcrStore *store = store_new (NULL);

  create_ok (store, "cam0");
  store_end (store);
}

static void
make_marked_slot (void)
{
  FcrStateFile *file;

  make_slot ();
  file = fcr_state_file_open (state_path (), NULL);
  fcr_state_file_lookup (file, "cam0")->removing = TRUE;
  CHECK (fcr_state_file_save (file, NULL));
  fcr_state_file_close (file);
}

static void
make_entry_alone (void)
{
  make_slot ();
  CHECK_OK (fc_slot_remove (test_dir, "cam0", 0));
}

static void
make_ring_alone (void)
{
  fc_writer_options_t options = small_ring ();

  CHECK_OK (fc_slot_reserve ("cam0", &options));
}

static void
killed_while_it_creates (void)
{
  die_at_each_step (NULL, act_create, false, true, false);
}

static void
killed_while_it_creates_what_it_had (void)
{
  die_at_each_step (make_entry_alone, act_create, true, true, false);
}

static void
killed_while_it_removes (void)
{
  die_at_each_step (make_slot, act_remove, true, false, true);
}

static void
killed_while_it_removes_by_force (void)
{
  die_at_each_step (make_slot, act_remove_forced, true, false, true);
}

static void
killed_while_it_recovers (void)
{
  die_at_each_step (make_marked_slot, act_recover, false, false, true);
}

static void
killed_while_it_adopts (void)
{
  die_at_each_step (make_ring_alone, act_adopt, true, true, false);
}

static void
killed_while_it_forgets (void)
{
  die_at_each_step (make_entry_alone, act_forget, true, false, false);
}

static void
a_writer_that_came_meanwhile_keeps_its_slot (void)
{
  pid_t pid;

  make_marked_slot ();
  pid = spawn_writer ("cam0", 5);
  run_registry ();
  CHECK (is_whole ("cam0"));
  CHECK_EQ (slot_stat ("cam0").state, FC_STATE_LIVE);
  kill9 (pid);
}

/* At any moment ------------------------------------------------------------ */

static void
count_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  --*(int *) user_data;
}

/* A registry that is asked for one thing after the other, four at a time. */
static void
be_asked (void *arg)
{
  uint64_t state = *(uint64_t *) arg;
  fc_writer_options_t options = small_ring ();
  FcrStore *store = store_new (NULL);
  int waiting = 0;

  for (;;)
    {
      char name[8];

      snprintf (name, sizeof name, "cam%d", (int) (chance (&state) % 6));
      waiting++;
      if (chance (&state) % 2)
        fcr_store_create (store, name, &options, geteuid (), count_answer,
                          &waiting);
      else
        fcr_store_remove (store, name, TRUE, count_answer, &waiting);
      LOOP_UNTIL (waiting < 4);
    }
}

static void
killed_at_any_moment (void)
{
  uint64_t state = (uint64_t) now_ns ();

  fprintf (stderr, "# seed %" PRIu64 "\n", state);
  log_catch ();
  for (int round = 0; round < 40; round++)
    {
      pid_t pid = spawn (be_asked, &state);
      int64_t until = now_ns () + (int64_t) (chance (&state) % 40) * MS;

      while (now_ns () < until)
        nap ();
      kill9 (pid);
      run_registry ();
      for (int i = 0; i < 6; i++)
        (void) is_whole (in_dir ("cam%d", i) + strlen (test_dir) + 1);
    }
  CHECK_EQ (log_count (""), 0);
}

static const test_t tests[] = {
  TEST (killed_while_it_creates),
  TEST (killed_while_it_creates_what_it_had),
  TEST (killed_while_it_removes),
  TEST (killed_while_it_removes_by_force),
  TEST (killed_while_it_recovers),
  TEST (killed_while_it_adopts),
  TEST (killed_while_it_forgets),
  TEST (a_writer_that_came_meanwhile_keeps_its_slot),
  SLOW_TEST (killed_at_any_moment, 120),
};

TEST_MAIN (tests)
