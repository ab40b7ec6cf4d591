/* framecache: who wakes, and whom a stopped consumer disturbs
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fc-gst-test.h"

#define CONSUMERS 4
#define FRAMES 180

/* In another process too: CAPS is 1920x1080 at 60/s. */
#define WRITER                                                                 \
  "videotestsrc name=v is-live=true pattern=black ! "                          \
  "video/x-raw,format=NV12,width=1920,height=1080,framerate=60/1 ! "           \
  "fcsink name=s slot=cam0"
#define READER "fcsrc name=s slot=cam0 ! fakesink sync=false"

typedef struct
{
  GstElement *pipeline;
  GstElement *element; /* fcsink or fcsrc */
} Player;

static Player
play (const gchar *line)
{
  Player player;

  player.pipeline = gst_parse_launch (line, NULL);
  player.element = gst_bin_get_by_name (GST_BIN (player.pipeline), "s");
  gst_element_set_state (player.pipeline, GST_STATE_PLAYING);
  return player;
}

static void
end (Player *player)
{
  gst_element_set_state (player->pipeline, GST_STATE_NULL);
  gst_object_unref (player->element);
  gst_object_unref (player->pipeline);
}

static guint64
wait_for_frames (Player *player, const gchar *field, guint64 n)
{
  FCT_WAIT (fct_stat (player->element, field) >= n);
  return fct_stat (player->element, field);
}

/* Threads -------------------------------------------------------------- */

typedef struct
{
  guint64 sources; /* streaming threads */
  guint n_sources;
  guint64 housekeeper;
  GHashTable *others; /* but this one: by its task's id */
} Wakes;

static gchar *
read_task (const gchar *task, const gchar *file)
{
  gchar *path = g_strdup_printf ("/proc/self/task/%s/%s", task, file);
  gchar *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  g_free (path);
  return text;
}

/* How often thread TASK slept so far. */
static guint64
count_sleeps (const gchar *task)
{
  const gchar *key = "\nvoluntary_ctxt_switches:";
  gchar *status = read_task (task, "status");
  gchar **parts = g_strsplit (status != NULL ? status : "", key, 2);
  guint64 sleeps = 0;

  if (g_strv_length (parts) == 2)
    sleeps = g_ascii_strtoull (parts[1], NULL, 10);
  g_strfreev (parts);
  g_free (status);
  return sleeps;
}

static void
look (Wakes *wakes)
{
  gchar *own = g_strdup_printf ("%d", getpid ());
  GDir *dir = g_dir_open ("/proc/self/task", 0, NULL);
  const gchar *task;

  memset (wakes, 0, sizeof (*wakes));
  wakes->others = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  while ((task = g_dir_read_name (dir)) != NULL)
    {
      gchar *name = read_task (task, "comm");
      guint64 sleeps = count_sleeps (task);

      if (name == NULL || g_str_equal (task, own))
        ;
      else if (g_str_has_suffix (name, ":src\n"))
        {
          wakes->sources += sleeps;
          wakes->n_sources++;
        }
      else if (g_str_has_prefix (name, "fc-housekeeper"))
        wakes->housekeeper += sleeps;
      else
        g_hash_table_insert (wakes->others, g_strdup (task),
                             GUINT_TO_POINTER ((guint) sleeps));
      g_free (name);
    }
  g_dir_close (dir);
  g_free (own);
}

/* What the other threads slept in between. Those that helped with a change of
 * state end in their own time. */
static guint
others_between (const Wakes *before, const Wakes *after)
{
  gpointer task, sleeps;
  GHashTableIter i;
  guint sum = 0;

  g_hash_table_iter_init (&i, after->others);
  while (g_hash_table_iter_next (&i, &task, &sleeps))
    sum += GPOINTER_TO_UINT (sleeps)
           - GPOINTER_TO_UINT (g_hash_table_lookup (before->others, task));
  g_hash_table_unref (before->others);
  g_hash_table_unref (after->others);
  return sum;
}

/* Each streaming thread sleeps once for each frame, and a little more where
 * two want the same lock. The housekeeper looks once a second whether the slot
 * is there and the consumers live. */
GST_START_TEST (only_frames_wake)
{
  Player writer, reader[CONSUMERS];
  Wakes before, after;
  guint64 from, to;
  gint64 start, seconds;
  guint i, others;

  for (i = 0; i < CONSUMERS; i++)
    reader[i] = play (READER);
  FCT_WAIT (fct_waiting ("cam0") == CONSUMERS);
  writer = play (WRITER);
  from = wait_for_frames (&writer, "frames", 60);
  for (i = 0; i < CONSUMERS; i++)
    wait_for_frames (&reader[i], "delivered", 10);

  look (&before);
  start = g_get_monotonic_time ();
  from = fct_stat (writer.element, "frames");
  to = wait_for_frames (&writer, "frames", from + FRAMES);
  look (&after);
  seconds = (g_get_monotonic_time () - start) / G_TIME_SPAN_SECOND + 1;

  others = others_between (&before, &after);
  printf ("%u frames: %u streaming threads slept %u times, the housekeeper %u,"
          " others %u\n",
          (guint) (to - from), after.n_sources,
          (guint) (after.sources - before.sources),
          (guint) (after.housekeeper - before.housekeeper), others);
  fail_unless_equals_int (after.n_sources, CONSUMERS + 1);
  fail_unless (after.sources - before.sources
               <= (to - from + 10) * (CONSUMERS + 1) * 3 / 2);
  fail_unless (after.housekeeper - before.housekeeper <= 4 * (guint64) seconds);
  fail_unless (others <= 2, "others slept %u times", others);
  for (i = 0; i < CONSUMERS; i++)
    end (&reader[i]);
  end (&writer);
}
GST_END_TEST

/* The writer's thread sleeps between two frames, and the reader's does not:
 * were it to, they would sleep twice for each. A busy machine may keep it off
 * its processor for longer than it may spin, now and then. */
GST_START_TEST (who_spins_does_not_sleep)
{
  Player writer = play (WRITER), reader;
  Wakes before, after;
  guint64 from, to;

  if (sysconf (_SC_NPROCESSORS_ONLN) < 2)
    {
      printf ("with one processor all sleep\n");
      end (&writer);
      return;
    }
  wait_for_frames (&writer, "frames", 1);
  reader = play ("fcsrc name=s slot=cam0 spin=50000000 ! fakesink sync=false");
  wait_for_frames (&reader, "delivered", 10);

  look (&before);
  from = fct_stat (reader.element, "delivered");
  to = wait_for_frames (&reader, "delivered", from + FRAMES);
  look (&after);
  others_between (&before, &after);
  printf ("%u frames: %u streaming threads slept %u times\n",
          (guint) (to - from), after.n_sources,
          (guint) (after.sources - before.sources));
  fail_unless_equals_int (after.n_sources, 2);
  fail_unless (after.sources - before.sources < (to - from + 10) * 3 / 2);
  end (&reader);
  end (&writer);
}
GST_END_TEST

/* It holds what it has leased, and misses what comes meanwhile: it alone. */
GST_START_TEST (stopped_consumer_disturbs_nobody)
{
  Player writer = play (WRITER), reader[CONSUMERS - 1];
  guint64 frames, dropped, shortened;
  GPid other;
  guint i;

  wait_for_frames (&writer, "frames", 1);
  other = fct_launch ("fcsrc slot=cam0 ! fakesink sync=false");
  for (i = 0; i < CONSUMERS - 1; i++)
    reader[i] = play (READER);
  for (i = 0; i < CONSUMERS - 1; i++)
    wait_for_frames (&reader[i], "delivered", 10);
  FCT_WAIT (fct_consumers ("cam0") == CONSUMERS);
  frames = fct_stat (writer.element, "frames");
  wait_for_frames (&writer, "frames", frames + 30);
  fail_unless_equals_int (kill (other, SIGSTOP), 0);
  frames = fct_stat (writer.element, "frames");
  frames = wait_for_frames (&writer, "frames", frames + FRAMES);

  dropped = fct_stat (writer.element, "dropped");
  shortened = fct_stat (writer.element, "history-shortened");
  fail_unless_equals_uint64 (dropped, 0);
  fail_unless_equals_uint64 (shortened, 0);
  for (i = 0; i < CONSUMERS - 1; i++)
    {
      FCT_WAIT (fct_stat (reader[i].element, "delivered") >= FRAMES);
      fail_unless_equals_uint64 (fct_stat (reader[i].element, "dropped"), 0);
      end (&reader[i]);
    }
  end (&writer);
  fct_kill (other);
}
GST_END_TEST

static Suite *
wakes_suite (void)
{
  Suite *suite = suite_create ("wakes");
  TCase *tc = tcase_create ("wakes");

  suite_add_tcase (suite, tc);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_test (tc, only_frames_wake);
  tcase_add_test (tc, who_spins_does_not_sleep);
  tcase_add_test (tc, stopped_consumer_disturbs_nobody);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, wakes_suite);
}
