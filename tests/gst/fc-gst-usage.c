/* framecache: what a process and a slot directory have in use
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <gio/gio.h>
#include <malloc.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "fc-gst-usage.h"

static guint64
count_entries (const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  guint64 n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  g_dir_close (dir);
  return n;
}

static guint64
get_resident (void)
{
  unsigned long kib = 0;
  gchar *text, *at;

  g_assert_true (g_file_get_contents ("/proc/self/status", &text, NULL, NULL));
  at = strstr (text, "RssAnon:");
  g_assert_true (at != NULL && sscanf (at, "RssAnon: %lu kB", &kib) == 1);
  g_free (text);
  return (guint64) kib * 1024;
}

static guint64
count_mappings (const gchar *dir)
{
  gchar *text, *at;
  guint64 n = 0;

  g_assert_true (g_file_get_contents ("/proc/self/maps", &text, NULL, NULL));
  for (at = text; (at = strstr (at, dir)) != NULL; at++)
    n++;
  g_free (text);
  return n;
}

static guint64
count_shared (const gchar *path)
{
  GDir *dir = g_dir_open (path, 0, NULL);
  const gchar *name;
  guint64 bytes = 0;

  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      gchar *file = g_build_filename (path, name, NULL);
      struct stat st;

      if (stat (file, &st) == 0)
        bytes += (guint64) st.st_blocks * 512;
      g_free (file);
    }
  g_dir_close (dir);
  return bytes;
}

static int
count_leases (const fc_consumer_stat_t *stat, void *user_data)
{
  *(guint64 *) user_data += stat->leases;
  return 0;
}

/* A reader that waits for its slot looks for a bus, or comes by it first: what
 * GLib makes for the first look, and keeps, is always there. */
static void
look_for_bus (void)
{
  GError *error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      "unix:path=/nonexistent", G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT,
      NULL, NULL, &error);

  g_assert_null (connection);
  g_error_free (error);
}

void
fct_usage_get (FctUsage *usage)
{
  const gchar *dir = g_getenv ("FC_DIR");

  look_for_bus ();
  memset (usage, 0, sizeof (*usage));
  usage->resident = get_resident ();
  usage->allocated = mallinfo2 ().uordblks;
  usage->descriptors = count_entries ("/proc/self/fd");
  usage->threads = count_entries ("/proc/self/task");
  usage->mappings = count_mappings (dir);
  usage->shared = count_shared (dir);
  fc_slot_consumers (NULL, "cam0", count_leases, &usage->leases);
}

void
fct_usage_settle (FctUsage *usage, guint64 n)
{
  FCT_WAIT ((fct_usage_get (usage), usage->descriptors <= n));
}

void
fct_usage_print (const gchar *when, const FctUsage *usage)
{
  g_print (
      "%-12s resident %8" G_GUINT64_FORMAT " KiB, allocated %7" G_GUINT64_FORMAT
      " KiB, descriptors %3" G_GUINT64_FORMAT ", threads %2" G_GUINT64_FORMAT
      ", mappings %2" G_GUINT64_FORMAT ", shared %6" G_GUINT64_FORMAT
      " KiB, leases %" G_GUINT64_FORMAT "\n",
      when, usage->resident / 1024, usage->allocated / 1024, usage->descriptors,
      usage->threads, usage->mappings, usage->shared / 1024, usage->leases);
}
