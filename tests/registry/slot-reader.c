/* framecache: reads a slot for the registry's tests
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 *
 * slot-reader --directory=DIR [--observe] SLOT
 * slot-reader --bus [--observe] SLOT
 *
 * Attaches to a slot that slot-writer writes, by its directory or by what the
 * registry on the session bus hands out, and prints "consumer" or "observer".
 * Then, for each line on standard input, which is a number of frames, reads so
 * many, looks whether they are whole, and prints "DELIVERED DROPPED" since it
 * attached. Ends when standard input does.
 */
#include <getopt.h>
#include <gio/gio.h>
#include <gio/gunixfdlist.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fc.h"

#define BOUND 60000000000ll /* ns */

static int
fail (const gchar *what)
{
  g_printerr ("slot-reader: %s\n", what);
  return 1;
}

/* What OpenSlot hands out; OPTIONS has the descriptors. */
static gboolean
ask_the_registry (const gchar *slot, fc_consumer_options_t *options,
                  GError **error)
{
  g_autoptr (GDBusConnection) bus
      = g_bus_get_sync (G_BUS_TYPE_SESSION, NULL, error);
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) answer = NULL;
  g_autoptr (GVariant) handles = NULL;
  GVariantDict asked;

  if (bus == NULL)
    return FALSE;
  g_variant_dict_init (&asked, NULL);
  if (options->observe)
    g_variant_dict_insert (&asked, "observe", "b", TRUE);
  answer = g_dbus_connection_call_with_unix_fd_list_sync (
      bus, "org.framecache.Registry1", "/org/framecache/Registry1",
      "org.framecache.Registry1", "OpenSlot",
      g_variant_new ("(s@a{sv})", slot, g_variant_dict_end (&asked)),
      G_VARIANT_TYPE ("(ah)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &list, NULL,
      error);
  if (answer == NULL)
    return FALSE;
  handles = g_variant_get_child_value (answer, 0);
  options->use_fds = 1;
  options->ring_fd = g_unix_fd_list_get (list, 0, error);
  if (g_variant_n_children (handles) > 1)
    options->table_fd = g_unix_fd_list_get (list, 1, error);
  return options->ring_fd >= 0;
}

static int
read_frames (fc_consumer_t *consumer, int n)
{
  for (; n > 0; n--)
    {
      fc_frame_t frame = FC_FRAME_INIT;
      guint64 first, last;
      int r = fc_consumer_read (consumer, &frame, BOUND);

      if (r < 0)
        return fail (fc_error_detail ());
      memcpy (&first, frame.data, sizeof first);
      memcpy (&last, (const char *) frame.data + frame.size - sizeof last,
              sizeof last);
      if (first != frame.seq || last != frame.seq)
        return fail ("a frame is not what was written");
    }
  return 0;
}

static int
obey (fc_consumer_t *consumer)
{
  fc_consumer_stats_t stats = FC_CONSUMER_STATS_INIT;
  char line[32];

  g_print ("%s\n", fc_consumer_stats (consumer, &stats) == 0 && stats.observing
                       ? "observer"
                       : "consumer");
  while (fgets (line, sizeof line, stdin))
    {
      if (read_frames (consumer, atoi (line)) != 0)
        return 1;
      fc_consumer_stats (consumer, &stats);
      g_print ("%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT "\n", stats.delivered,
               stats.dropped);
    }
  return 0;
}

int
main (int argc, char **argv)
{
  static const struct option names[] = { { "directory", 1, NULL, 'd' },
                                         { "bus", 0, NULL, 'b' },
                                         { "observe", 0, NULL, 'o' },
                                         { NULL, 0, NULL, 0 } };
  fc_consumer_options_t options = FC_CONSUMER_OPTIONS_INIT;
  g_autoptr (GError) error = NULL;
  gboolean by_bus = FALSE;
  fc_consumer_t *consumer;
  int option, r;

  while ((option = getopt_long (argc, argv, "", names, NULL)) != -1)
    if (option == 'd')
      options.dir = optarg;
    else if (option == 'b')
      by_bus = TRUE;
    else if (option == 'o')
      options.observe = 1;
    else
      return 2;
  if (optind + 1 != argc)
    return fail ("usage: slot-reader --directory=DIR|--bus [--observe] SLOT");
  if (by_bus && !ask_the_registry (argv[optind], &options, &error))
    return fail (error->message);
  r = fc_consumer_open (&consumer, argv[optind], &options);
  if (options.use_fds)
    {
      close (options.ring_fd);
      if (options.table_fd >= 0)
        close (options.table_fd);
    }
  if (r < 0)
    return fail (fc_error_detail ());
  r = obey (consumer);
  fc_consumer_close (consumer);
  return r;
}
