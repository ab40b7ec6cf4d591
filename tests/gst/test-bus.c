/* framecache: fcsrc attaches by the bus, whatever the registry does there
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * The slot directory of the readers here is not the writers': they see a slot
 * only by a registry, which in these tests does what it is told.
 */
#include <signal.h>
#include <string.h>
#include <sys/stat.h>

#include "fc-gst-registry.h"

#define SESSION G_BUS_TYPE_SESSION
#define SYSTEM G_BUS_TYPE_SYSTEM

/* Values of attach. */
#define AUTO 0
#define DIRECTORY 1
#define BUS 2

#define WAIT_MS(n) ((gint64) (n) *GST_MSECOND)

static GstElement *
new_reader (gint attach, const gchar *property, gint64 value)
{
  gchar *elsewhere = g_build_filename (g_getenv ("FC_DIR"), "elsewhere", NULL);
  GstElement *element
      = fct_new ("fcsrc", "slot", "cam0", "timestamps", 1, "directory",
                 elsewhere, "attach", attach, property, value, NULL);

  g_free (elsewhere);
  return element;
}

static GstHarness *
reader (gint attach)
{
  return fct_src_harness (new_reader (attach, NULL, 0));
}

/* On a session bus of its own. */
static FctRegistry *
start_registry (FctRegistryMode mode)
{
  fct_bus_start (SESSION);
  return fct_registry_start (SESSION, mode);
}

/* Attached, and has taken all there is. */
static void
wait_attached (void)
{
  FCT_WAIT (fct_waiting ("cam0") == 1);
}

static void
push_some (GstHarness *sink, guint first, guint n)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_push (sink, i, 100);
}

static void
pull_some (GstHarness *src, guint first, guint n)
{
  guint i;

  for (i = first; i < first + n; i++)
    fct_pull (src, i, 100);
}

static void
lost_nothing (GstHarness *src)
{
  fail_unless_equals_uint64 (fct_stat (src->element, "dropped"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "skipped"), 0);
}

/* How many of this process's threads are called NAME. */
static guint
count_threads (const gchar *name)
{
  GDir *dir = g_dir_open ("/proc/self/task", 0, NULL);
  const gchar *task;
  guint n = 0;

  while ((task = g_dir_read_name (dir)) != NULL)
    {
      gchar *path = g_strdup_printf ("/proc/self/task/%s/comm", task);
      gchar *comm = NULL;

      if (g_file_get_contents (path, &comm, NULL, NULL))
        n += g_str_equal (g_strchomp (comm), name);
      g_free (comm);
      g_free (path);
    }
  g_dir_close (dir);
  return n;
}

/* How many of this process's descriptors are of a file with PART in its
 * name. */
static guint
count_open (const gchar *part)
{
  GDir *dir = g_dir_open ("/proc/self/fd", 0, NULL);
  const gchar *fd;
  guint n = 0;

  while ((fd = g_dir_read_name (dir)) != NULL)
    {
      gchar *path = g_build_filename ("/proc/self/fd", fd, NULL);
      gchar *file = g_file_read_link (path, NULL);

      n += file != NULL && strstr (file, part) != NULL;
      g_free (file);
      g_free (path);
    }
  g_dir_close (dir);
  return n;
}

/* What comes by the bus ------------------------------------------------ */

static void
read_by (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 3);
  src = reader (attach);
  wait_attached ();
  push_some (sink, 3, 10);
  pull_some (src, 3, 10);
  lost_nothing (src);
  fail_unless (fct_stat (src->element, "leased") > 0);
  fail_unless_equals_int (fct_consumers ("cam0"), 1);
  fct_stop (src);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (by_the_bus) { read_by (BUS); }
GST_END_TEST

GST_START_TEST (by_the_bus_where_the_directory_has_none) { read_by (AUTO); }
GST_END_TEST

GST_START_TEST (directory_goes_first)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = fct_reader (NULL, 0);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fail_unless_equals_int (fct_registry_asked (registry), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (directory_alone)
{
  GstElement *element = new_reader (DIRECTORY, "wait-for-slot", WAIT_MS (200));
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "elsewhere");
  fail_unless_equals_int (fct_registry_asked (registry), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Of two that have the slot; the other is not asked. */
GST_START_TEST (session_bus_goes_first)
{
  FctRegistry *registry, *other;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  fct_bus_start (SYSTEM);
  other = fct_registry_start (SYSTEM, FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fail_unless_equals_int (fct_registry_answered (registry), 1);
  fail_unless_equals_int (fct_registry_asked (other), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (other);
  fct_registry_kill (registry);
}
GST_END_TEST

/* The registry there has no such slot; there is no session bus at all. */
static void
read_by_system_bus (gboolean other_registry)
{
  FctRegistry *registry, *other = NULL;
  GstHarness *sink, *src;

  fct_bus_start (SYSTEM);
  registry = fct_registry_start (SYSTEM, FCT_OPENS);
  if (other_registry)
    {
      other = start_registry (FCT_GIVES_NONE);
    }
  else
    {
      g_unsetenv ("DBUS_SESSION_BUS_ADDRESS");
      g_unsetenv ("XDG_RUNTIME_DIR");
    }
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  if (other != NULL)
    fct_registry_kill (other);
  fct_registry_kill (registry);
}

GST_START_TEST (system_bus_where_the_session_has_none)
{
  read_by_system_bus (TRUE);
}
GST_END_TEST

GST_START_TEST (system_bus_where_there_is_no_session)
{
  read_by_system_bus (FALSE);
}
GST_END_TEST

GST_START_TEST (observer_where_no_table_is_given)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OBSERVES);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = fct_src_harness (new_reader (BUS, "start", 2)); /* the history */
  pull_some (src, 0, 1);
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fail_unless_equals_uint64 (fct_stat (src->element, "leased"), 0);
  fail_unless_equals_uint64 (fct_stat (src->element, "copied"), 4);
  fail_unless_equals_int (fct_consumers ("cam0"), 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Frames do without it: no connection and no thread is left, nor a copy of the
 * table's descriptor but libfc's. */
GST_START_TEST (nothing_is_kept_of_the_bus)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  GPid bus;

  bus = fct_bus_start (SESSION);
  registry = fct_registry_start (SESSION, FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  wait_attached ();
  FCT_WAIT (count_threads ("fc-bus") == 0);
  FCT_WAIT (count_open (".consumers") == 2); /* the writer's, and that */
  fct_registry_kill (registry);
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_kill (bus);
  push_some (sink, 4, 3);
  pull_some (src, 4, 3);
  lost_nothing (src);
  fct_stop (src);
  FCT_WAIT (count_open (".consumers") == 1);
  fct_stop (sink);
}
GST_END_TEST

/* Waiting --------------------------------------------------------------- */

/* It was there first: not one frame of the slot is missed. */
static void
wait_for_writer (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  src = reader (attach);
  FCT_WAIT (fct_registry_answered (registry) > 0);
  sink = fct_writer ();
  push_some (sink, 0, 5);
  fct_registry_announce (registry, "cam0");
  pull_some (src, 0, 5);
  lost_nothing (src);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (reader_first) { wait_for_writer (BUS); }
GST_END_TEST

GST_START_TEST (reader_first_with_a_directory) { wait_for_writer (AUTO); }
GST_END_TEST

/* The signal alone, long before the next question would be put. */
GST_START_TEST (told_of_the_slot_it_asks_at_once)
{
  FctRegistry *registry;
  GstHarness *src;
  guint asked, i;

  registry = start_registry (FCT_OPENS);
  src = reader (BUS);
  FCT_WAIT (fct_registry_answered (registry) >= 7); /* once a second by now */
  for (i = 0; i < 20; i++)
    {
      asked = fct_registry_answered (registry);
      fct_registry_announce (registry, "other");
      fct_registry_announce (registry, "cam0");
      FCT_WAIT (fct_registry_answered (registry) > asked);
    }
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* By the directory while the bus is being asked. */
GST_START_TEST (slot_comes_by_the_directory_after_all)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_IS_SILENT);
  src = fct_reader (NULL, 0);
  FCT_WAIT (fct_registry_asked (registry) > 0);
  sink = fct_writer ();
  push_some (sink, 0, 5);
  pull_some (src, 0, 5);
  FCT_WAIT (count_threads ("fc-bus") == 0);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (registry_comes_later)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  fct_bus_start (SESSION);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  FCT_WAIT (count_threads ("fc-bus") == 1);
  registry = fct_registry_start (SESSION, FCT_OPENS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (bus_comes_later)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  FCT_WAIT (count_threads ("fc-bus") == 1);
  registry = start_registry (FCT_OPENS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* With the question unanswered, again and again; and the bus with it. */
GST_START_TEST (registry_killed_while_it_is_asked)
{
  GstHarness *sink = fct_writer (), *src;
  FctRegistry *registry;
  GPid bus = fct_bus_start (SESSION);
  guint i;

  push_some (sink, 0, 1);
  src = reader (BUS);
  for (i = 0; i < 6; i++)
    {
      registry = fct_registry_start (SESSION, FCT_IS_SILENT);
      FCT_WAIT (fct_registry_asked (registry) > 0);
      fct_registry_kill (registry);
      if (i % 2 == 1)
        {
          fct_kill (bus);
          bus = fct_bus_start (SESSION);
        }
    }
  registry = fct_registry_start (SESSION, FCT_OPENS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  lost_nothing (src);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Generations and writers ---------------------------------------------- */

GST_START_TEST (new_generation_goes_on_at_the_cursor)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  registry = start_registry (FCT_OPENS);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  wait_attached ();
  for (i = 0; i < 20; i++)
    {
      fct_push_caps (sink, i % 2 ? FCT_DATA ",n=1" : FCT_DATA ",n=2");
      push_some (sink, 1 + 10 * i, 10);
      pull_some (src, 1 + 10 * i, 10);
    }
  lost_nothing (src);
  fail_unless_equals_uint64 (fct_stat (src->element, "reconnects"), 20);
  fail_unless (fct_registry_answered (registry) >= 21);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (next_writer_after_the_end)
{
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  registry = start_registry (FCT_OPENS);
  src = fct_src_harness (new_reader (BUS, "on-eos", 1));
  for (i = 0; i < 5; i++)
    {
      guint answered = fct_registry_answered (registry);

      FCT_WAIT (fct_registry_answered (registry) > answered); /* not found */
      sink = fct_writer ();
      push_some (sink, 0, 5);
      fct_registry_announce (registry, "cam0");
      pull_some (src, 0, 5);
      fct_stop (sink);
    }
  lost_nothing (src);
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* The same ring goes on, which the bus does not tell. */
GST_START_TEST (reserved_slot_goes_on_after_the_end)
{
  fc_writer_options_t options = FC_WRITER_OPTIONS_INIT;
  FctRegistry *registry;
  GstHarness *sink, *src;
  guint i;

  options.frame_size = 1000;
  fail_unless_equals_int (fc_slot_reserve ("cam0", &options), 0);
  registry = start_registry (FCT_OPENS);
  src = fct_src_harness (new_reader (BUS, "on-eos", 1));
  wait_attached ();
  for (i = 0; i < 3; i++)
    {
      sink = fct_writer ();
      push_some (sink, 5 * i, 5);
      pull_some (src, 5 * i, 5);
      fct_stop (sink);
    }
  lost_nothing (src);
  fct_stop (src);
  fct_registry_kill (registry);
}
GST_END_TEST

/* What a registry may say ----------------------------------------------- */

GST_START_TEST (refusal_is_the_registrys_sentence)
{
  GstElement *element = new_reader (AUTO, NULL, 0);
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *src;

  registry = start_registry (FCT_REFUSES);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_AUTHORIZED, FCT_REFUSAL);
  fct_stop (src);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (no_descriptor_is_no_answer)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_GIVES_NONE);
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = reader (BUS);
  FCT_WAIT (fct_registry_answered (registry) > 2);
  fct_registry_set_mode (registry, FCT_OPENS);
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (what_is_no_ring_is_an_error)
{
  GstElement *element = new_reader (BUS, NULL, 0);
  GstBus *bus = fct_bus (element);
  FctRegistry *registry;
  GstHarness *src;

  registry = start_registry (FCT_GIVES_PIPE);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_OPEN_READ, "ring");
  fct_stop (src);
  fct_bus_free (bus);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Its sentence tells what was found on the way. */
static void
expect_none (gint64 patience, const gchar *text)
{
  GstElement *element = new_reader (BUS, "wait-for-slot", patience);
  GstBus *bus = fct_bus (element);
  GstHarness *src = fct_src_harness (element);

  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, text);
  fct_stop (src);
  fct_bus_free (bus);
}

GST_START_TEST (slot_never_came)
{
  FctRegistry *registry;

  expect_none (WAIT_MS (100), "session bus: Could not connect");
  fct_bus_start (SESSION);
  expect_none (WAIT_MS (100), "session bus: no registry runs there");
  registry = fct_registry_start (SESSION, FCT_OPENS);
  expect_none (WAIT_MS (100),
               "registry on the session bus: there is no slot cam0");
  fct_registry_kill (registry);
}
GST_END_TEST

/* wait-for-slot=0 is to look once: that takes as long as it takes. */
static void
look_once (gint attach)
{
  FctRegistry *registry;
  GstHarness *sink, *src;

  registry = start_registry (FCT_OPENS);
  expect_none (0, "there is no slot cam0");
  sink = fct_writer ();
  push_some (sink, 0, 1);
  src = fct_src_harness (new_reader (attach, "wait-for-slot", 0));
  wait_attached ();
  push_some (sink, 1, 3);
  pull_some (src, 1, 3);
  fct_stop (src);
  fct_stop (sink);
  fct_registry_kill (registry);
}

GST_START_TEST (looking_once_asks_once) { look_once (BUS); }
GST_END_TEST

GST_START_TEST (looking_once_asks_once_with_a_directory) { look_once (AUTO); }
GST_END_TEST

/* States ---------------------------------------------------------------- */

/* Nothing waits for what a bus or a registry does not say. */
static void
stop_while_silent (FctRegistry *registry)
{
  GstHarness *src = reader (BUS);

  if (registry != NULL)
    FCT_WAIT (fct_registry_asked (registry) > 0);
  else
    FCT_WAIT (count_threads ("fc-bus") == 1);
  fct_stop (src);
  FCT_WAIT (count_threads ("fc-bus") == 0);
}

GST_START_TEST (stopped_while_the_registry_is_silent)
{
  FctRegistry *registry = start_registry (FCT_IS_SILENT);

  stop_while_silent (registry);
  fct_registry_kill (registry);
}
GST_END_TEST

GST_START_TEST (stopped_while_the_bus_is_silent)
{
  GPid bus = fct_bus_start (SESSION);
  guint i;

  g_assert_cmpint (kill (bus, SIGSTOP), ==, 0);
  for (i = 0; i < 20; i++)
    stop_while_silent (NULL);
  fct_kill (bus);
}
GST_END_TEST

GST_START_TEST (states_in_any_order_while_asking)
{
  static const GstState states[]
      = { GST_STATE_PLAYING, GST_STATE_PAUSED, GST_STATE_READY,
          GST_STATE_PLAYING, GST_STATE_NULL };
  GstElement *pipeline = gst_pipeline_new (NULL);
  GstElement *src = new_reader (BUS, NULL, 0);
  GstElement *sink = fct_new ("fakesink", NULL);
  FctRegistry *registry;
  GstHarness *writer;
  guint i;

  registry = start_registry (FCT_OPENS);
  gst_bin_add_many (GST_BIN (pipeline), src, sink, NULL);
  fail_unless (gst_element_link (src, sink));
  writer = fct_writer ();
  for (i = 0; i < 200; i++)
    {
      if (i == 100)
        push_some (writer, 0, 1);
      fail_if (gst_element_set_state (pipeline, states[i % 5])
               == GST_STATE_CHANGE_FAILURE);
      if (i % 3 == 0)
        g_thread_yield ();
    }
  gst_element_set_state (pipeline, GST_STATE_PLAYING);
  wait_attached ();
  gst_element_set_state (pipeline, GST_STATE_NULL);
  gst_object_unref (pipeline);
  fct_stop (writer);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Namespaces ------------------------------------------------------------ */

#define VIDEO(format)                                                          \
  "videotestsrc is-live=true ! video/x-raw,format=" format ",width=64,"        \
  "height=48,framerate=100/1 ! fcsink slot=cam0 ring-depth=50 access=all"

static int
add_delivered (const fc_consumer_stat_t *stat, void *user_data)
{
  *(guint64 *) user_data += stat->delivered;
  return 0;
}

static guint64
delivered (void)
{
  guint64 frames = 0;

  fc_slot_consumers (NULL, "cam0", add_delivered, &frames);
  return frames;
}

/* gst-launch-1.0 where an empty file system hides the slot directory. */
static GPid
launch_elsewhere (const gchar *prefix, const gchar *line)
{
  return fct_spawn ("%sunshare -rm /bin/sh -c \"mount -t tmpfs none $FC_DIR &&"
                    " exec gst-launch-1.0 -q %s\"",
                    prefix, line);
}

/* By a writer that is killed, and one that comes with another format. */
GST_START_TEST (reader_in_another_mount_namespace)
{
  FctRegistry *registry = start_registry (FCT_OPENS);
  GPid reader, writer;

  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  reader = launch_elsewhere ("", "fcsrc slot=cam0 ! fakesink");
  FCT_WAIT (fct_registry_answered (registry) > 0);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (delivered () > 50);
  fct_kill (writer);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (delivered () > 100);
  fail_unless_equals_int (fct_registry_opened (registry), 1);
  fct_kill (writer);
  writer = fct_launch (VIDEO ("RGB"));
  FCT_WAIT (fct_registry_opened (registry) == 2);
  FCT_WAIT (delivered () > 50);
  fct_kill (reader);
  FCT_WAIT (fct_consumers ("cam0") == 0);
  fct_kill (writer);
  fct_registry_kill (registry);
}
GST_END_TEST

/* Who is not root outside, and is known to the bus by what the kernel says;
 * and does not trust the writer, who is. */
GST_START_TEST (another_user_in_another_user_namespace)
{
  FctRegistry *registry;
  GPid reader, writer;
  gchar *bus;

  g_assert_cmpint (chmod (g_getenv ("FC_TEST_BASE"), 0755), ==, 0);
  g_assert_cmpint (chmod (g_getenv ("FC_DIR"), 0755), ==, 0);
  registry = start_registry (FCT_OPENS);
  bus = g_strdup_printf ("%s.bus/session", g_getenv ("FC_DIR"));
  g_assert_cmpint (chmod (bus, 0666), ==, 0);
  writer = fct_launch (VIDEO ("I420"));
  FCT_WAIT (fct_slot_stat ("cam0", &(fc_slot_stat_t){ 0 }));
  reader = launch_elsewhere (
      "setpriv --reuid=65534 --clear-groups env GST_REGISTRY_UPDATE=no ",
      "fcsrc slot=cam0 attach=bus num-buffers=50 ! fakesink");
  fct_finished (reader);
  fail_unless_equals_int (fct_registry_opened (registry), 1);
  fct_kill (writer);
  fct_registry_kill (registry);
  g_free (bus);
}
GST_END_TEST

/* Starting one --------------------------------------------------------- */

static gboolean
was_started (void)
{
  gchar *path = g_build_filename (g_getenv ("FC_DIR"), "started", NULL);
  gboolean is = g_file_test (path, G_FILE_TEST_EXISTS);

  g_free (path);
  return is;
}

GST_START_TEST (registry_is_started_only_where_the_bus_is_asked_for)
{
  gchar *command
      = g_strdup_printf ("/bin/sh -c \": > %s/started\"", g_getenv ("FC_DIR"));
  GstElement *element = new_reader (AUTO, "wait-for-slot", 0);
  GstBus *bus = fct_bus (element);
  GstHarness *src;

  fct_bus_activates (command);
  fct_bus_start (SESSION);
  src = fct_src_harness (element);
  fct_expect_error (bus, GST_RESOURCE_ERROR_NOT_FOUND, "elsewhere");
  fct_stop (src);
  fct_bus_free (bus);
  fail_if (was_started ());
  src = reader (BUS);
  FCT_WAIT (was_started ());
  fct_stop (src);
  g_free (command);
}
GST_END_TEST

static void
add_tests (TCase *tc)
{
  tcase_add_test (tc, by_the_bus);
  tcase_add_test (tc, by_the_bus_where_the_directory_has_none);
  tcase_add_test (tc, directory_goes_first);
  tcase_add_test (tc, directory_alone);
  tcase_add_test (tc, session_bus_goes_first);
  tcase_add_test (tc, system_bus_where_the_session_has_none);
  tcase_add_test (tc, system_bus_where_there_is_no_session);
  tcase_add_test (tc, observer_where_no_table_is_given);
  tcase_add_test (tc, nothing_is_kept_of_the_bus);
  tcase_add_test (tc, reader_first);
  tcase_add_test (tc, reader_first_with_a_directory);
  tcase_add_test (tc, told_of_the_slot_it_asks_at_once);
  tcase_add_test (tc, slot_comes_by_the_directory_after_all);
  tcase_add_test (tc, registry_comes_later);
  tcase_add_test (tc, bus_comes_later);
  tcase_add_test (tc, registry_killed_while_it_is_asked);
  tcase_add_test (tc, new_generation_goes_on_at_the_cursor);
  tcase_add_test (tc, next_writer_after_the_end);
  tcase_add_test (tc, reserved_slot_goes_on_after_the_end);
  tcase_add_test (tc, refusal_is_the_registrys_sentence);
  tcase_add_test (tc, no_descriptor_is_no_answer);
  tcase_add_test (tc, what_is_no_ring_is_an_error);
  tcase_add_test (tc, slot_never_came);
  tcase_add_test (tc, looking_once_asks_once);
  tcase_add_test (tc, looking_once_asks_once_with_a_directory);
  tcase_add_test (tc, stopped_while_the_registry_is_silent);
  tcase_add_test (tc, stopped_while_the_bus_is_silent);
  tcase_add_test (tc, states_in_any_order_while_asking);
  tcase_add_test (tc, reader_in_another_mount_namespace);
  if (geteuid () == 0)
    tcase_add_test (tc, another_user_in_another_user_namespace);
  tcase_add_test (tc, registry_is_started_only_where_the_bus_is_asked_for);
}

static Suite *
bus_suite (void)
{
  Suite *suite = suite_create ("bus");
  TCase *tc = tcase_create ("bus");

  suite_add_tcase (suite, tc);
  tcase_set_timeout (tc, 240);
  tcase_add_checked_fixture (tc, fct_set_up, fct_tear_down);
  tcase_add_checked_fixture (tc, fct_bus_set_up, NULL);
  add_tests (tc);
  return suite;
}

int
main (int argc, char **argv)
{
  return fct_main (argc, argv, bus_suite);
}
