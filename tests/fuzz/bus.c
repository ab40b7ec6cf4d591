/* The two ends of a D-Bus connection in one process, and values from a fuzzer's
 * input to be sent through it.
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include <stdlib.h>
#include <sys/socket.h>

#include "bus.h"

#define DEPTH_MAX 4
#define COUNT_MAX 6

/* Connecting --------------------------------------------------------------- */

static void
connected (GObject *source, GAsyncResult *result, gpointer into)
{
  GError *error = NULL;

  *(GDBusConnection **) into = g_dbus_connection_new_finish (result, &error);
  if (error != NULL)
    g_error ("%s", error->message);
}

static GIOStream *
stream_of (int fd)
{
  GSocket *socket = g_socket_new_from_fd (fd, NULL);
  GIOStream *stream
      = G_IO_STREAM (g_socket_connection_factory_create_connection (socket));

  g_object_unref (socket);
  return stream;
}

void
bus_connect (GDBusConnection **ours, GDBusConnection **theirs)
{
  g_autofree gchar *guid = g_dbus_generate_guid ();
  GIOStream *streams[2];
  int fds[2];

  if (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
    abort ();
  for (int i = 0; i < 2; i++)
    streams[i] = stream_of (fds[i]);
  *ours = *theirs = NULL;
  g_dbus_connection_new (streams[0], NULL,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, NULL,
                         NULL, connected, ours);
  g_dbus_connection_new (streams[1], guid,
                         G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, NULL,
                         NULL, connected, theirs);
  while (*ours == NULL || *theirs == NULL)
    g_main_context_iteration (NULL, TRUE);
  for (int i = 0; i < 2; i++)
    g_object_unref (streams[i]);
}

/* Values ------------------------------------------------------------------- */

gchar *
bus_take_text (fuzz_t *in)
{
  gchar bytes[63];
  gsize size = fuzz_bytes (in, bytes, fuzz_byte (in) % (sizeof bytes + 1));
  g_autofree gchar *text = g_strndup (bytes, size);

  return g_utf8_make_valid (text, -1);
}

static GVariant *take_any (fuzz_t *in, guint depth);

static GVariant *
take_array (fuzz_t *in, const gchar *type)
{
  guint count = fuzz_byte (in) % COUNT_MAX;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE (type));
  for (guint i = 0; i < count; i++)
    if (type[1] == 's')
      {
        g_autofree gchar *text = bus_take_text (in);

        g_variant_builder_add (&builder, "s", text);
      }
    else if (type[1] == 'y')
      g_variant_builder_add (&builder, "y", fuzz_byte (in));
    else if (type[1] == 'h')
      g_variant_builder_add (&builder, "h", (gint32) (fuzz_byte (in) % 4) - 1);
    else
      g_variant_builder_add (&builder, "u", (guint32) fuzz_number (in));
  return g_variant_builder_end (&builder);
}

static GVariant *
take_dictionary (fuzz_t *in, const gchar *const *known, guint depth)
{
  guint count = fuzz_byte (in) % COUNT_MAX;
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < count && in->size > 0; i++)
    {
      guint key = fuzz_byte (in);
      g_autofree gchar *text = NULL;

      if (known != NULL && key % 8 != 0)
        text = g_strdup (known[key % g_strv_length ((gchar **) known)]);
      else
        text = bus_take_text (in);
      g_variant_builder_add (&builder, "{sv}", text, take_any (in, depth));
    }
  return g_variant_builder_end (&builder);
}

static GVariant *
take_tuple (fuzz_t *in, guint depth)
{
  GVariant *children[COUNT_MAX];
  guint count = 1 + fuzz_byte (in) % COUNT_MAX;

  for (guint i = 0; i < count; i++)
    children[i] = take_any (in, depth);
  return g_variant_new_tuple (children, count);
}

static GVariant *
take_text (fuzz_t *in)
{
  static const gchar *const words[] = { "user", "group",      "all",
                                        "NV12", "30000/1001", "video/x-raw",
                                        "GRAY8" };
  guint8 how = fuzz_byte (in);

  if (how < 64)
    return g_variant_new_string (words[how % G_N_ELEMENTS (words)]);
  return g_variant_new_take_string (bus_take_text (in));
}

static GVariant *
take_container (fuzz_t *in, guint type, guint depth)
{
  static const gchar *const arrays[] = { "as", "ay", "au", "ah" };

  if (depth >= DEPTH_MAX)
    return g_variant_new_uint32 (type);
  if (type < G_N_ELEMENTS (arrays))
    return take_array (in, arrays[type]);
  if (type == 4)
    return take_dictionary (in, NULL, depth + 1);
  if (type == 5)
    return take_tuple (in, depth + 1);
  return g_variant_new_variant (take_any (in, depth + 1));
}

static GVariant *
take_any (fuzz_t *in, guint depth)
{
  guint type = fuzz_byte (in) % 20;

  switch (type)
    {
    case 0:
      return g_variant_new_boolean (fuzz_byte (in) & 1);
    case 1:
      return g_variant_new_byte (fuzz_byte (in));
    case 2:
      return g_variant_new_int16 ((gint16) fuzz_number (in));
    case 3:
      return g_variant_new_uint16 ((guint16) fuzz_number (in));
    case 4:
      return g_variant_new_int32 ((gint32) fuzz_number (in));
    case 5:
    case 6:
      return g_variant_new_uint32 ((guint32) fuzz_number (in));
    case 7:
      return g_variant_new_int64 ((gint64) fuzz_number (in));
    case 8:
      return g_variant_new_uint64 (fuzz_number (in));
    case 9:
      return g_variant_new_double (fuzz_double (in));
    case 10:
      return g_variant_new_object_path ("/org/framecache/Registry1");
    case 11:
      return g_variant_new_handle (fuzz_byte (in) % 4);
    case 12:
      return take_text (in);
    default:
      return take_container (in, type - 13, depth);
    }
}

GVariant *
bus_take_value (fuzz_t *in)
{
  return take_any (in, 0);
}

GVariant *
bus_take_options (fuzz_t *in, const gchar *const *known)
{
  return take_dictionary (in, known, 1);
}
