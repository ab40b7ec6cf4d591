/* framecache: slot directories by a read-only mount
 *
 * SPDX-License-Identifier: LGPL-2.1-or-later
 */
#include "readonly.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/* Not every C library has names for these; the numbers are the same on every
 * architecture but alpha. */
#ifndef SYS_open_tree
#define SYS_open_tree 428
#endif
#ifndef SYS_mount_setattr
#define SYS_mount_setattr 442
#endif
#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1u
#endif
#ifndef OPEN_TREE_CLOEXEC
#define OPEN_TREE_CLOEXEC O_CLOEXEC
#endif
#ifndef MOUNT_ATTR_RDONLY
#define MOUNT_ATTR_RDONLY 1u
#endif

/* How long the child may take, in ms: it makes three system calls. */
#define PATIENCE 5000

typedef struct
{
  gchar *directory;
  int fd;         /* its root, on the mount */
  struct stat st; /* what it was made of */
} Mount;

struct _FcrReadonly
{
  GHashTable *mounts; /* of Mount, by directory: one or two */
  gboolean refused;   /* the kernel will not, now or ever */
  gchar path[32];
};

static void
mount_free (gpointer data)
{
  Mount *mount = data;

  close (mount->fd);
  g_free (mount->directory);
  g_free (mount);
}

FcrReadonly *
fcr_readonly_new (void)
{
  FcrReadonly *readonly = g_new0 (FcrReadonly, 1);

  readonly->mounts
      = g_hash_table_new_full (g_str_hash, g_str_equal, NULL, mount_free);
  return readonly;
}

void
fcr_readonly_free (FcrReadonly *readonly)
{
  if (readonly == NULL)
    return;
  g_hash_table_unref (readonly->mounts);
  g_free (readonly);
}

/* A detached read-only copy of the mount that the current directory is on,
 * from that directory on. Returns it or -errno. Calls nothing but the kernel:
 * it also runs in a child that was forked off a process with threads. */
static int
clone_mount (void)
{
  const struct
  {
    guint64 set, clear, propagation, userns_fd;
  } attributes = { MOUNT_ATTR_RDONLY, 0, 0, 0 };
  int fd = (int) syscall (SYS_open_tree, AT_FDCWD, ".",
                          OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

  if (fd < 0)
    return -errno;
  if (syscall (SYS_mount_setattr, fd, "", AT_EMPTY_PATH, &attributes,
               sizeof attributes)
      < 0)
    {
      int error = errno;

      close (fd);
      return -error;
    }
  return fd;
}
/* In the child: the same; in mounts of its own, where the right to make one
 * comes with a new user's namespace. */
static int
clone_mount_somehow (void)
{
  int fd = clone_mount ();

  if (fd == -EPERM && unshare (CLONE_NEWUSER | CLONE_NEWNS) == 0)
    fd = clone_mount ();
  return fd;
}

/* ERROR is 0 where there is an FD. */
static gboolean
send_descriptor (int socket, int fd, int error)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  struct iovec data = { &error, sizeof error };
  struct msghdr message = { .msg_iov = &data, .msg_iovlen = 1 };

  if (error == 0)
    {
      message.msg_control = &control;
      message.msg_controllen = sizeof control;
      control.header.cmsg_len = CMSG_LEN (sizeof fd);
      control.header.cmsg_level = SOL_SOCKET;
      control.header.cmsg_type = SCM_RIGHTS;
      memcpy (CMSG_DATA (&control.header), &fd, sizeof fd);
    }
  return sendmsg (socket, &message, MSG_NOSIGNAL) == sizeof error;
}

static int
receive_descriptor (int socket)
{
  union
  {
    struct cmsghdr header;
    char space[CMSG_SPACE (sizeof (int))];
  } control = { 0 };
  int error = 0, fd = -1;
  struct iovec data = { &error, sizeof error };
  struct msghdr message = { .msg_iov = &data,
                            .msg_iovlen = 1,
                            .msg_control = &control,
                            .msg_controllen = sizeof control };
  struct pollfd wait = { socket, POLLIN, 0 };

  if (poll (&wait, 1, PATIENCE) != 1
      || recvmsg (socket, &message, MSG_CMSG_CLOEXEC) != sizeof error)
    return -EPROTO;
  if (error != 0 || message.msg_controllen < CMSG_LEN (sizeof fd))
    return error != 0 ? -error : -EPROTO;
  memcpy (&fd, CMSG_DATA (&control.header), sizeof fd);
  return fd;
}

/* In a child: who enters a user's namespace does not leave it, and may have no
 * threads. */
static int
make_mount (int directory)
{
  int sockets[2], fd;
  pid_t child;

  if (socketpair (AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sockets) < 0)
    return -errno;
  child = fork ();
  if (child == 0)
    {
      fd = fchdir (directory) < 0 ? -errno : clone_mount_somehow ();
      _exit (send_descriptor (sockets[1], fd, fd < 0 ? -fd : 0) ? 0 : 1);
    }
  fd = child < 0 ? -errno : receive_descriptor (sockets[0]);
  close (sockets[0]);
  close (sockets[1]);
  if (child > 0)
    {
      if (fd == -EPROTO)
        kill (child, SIGKILL);
      while (waitpid (child, NULL, 0) < 0 && errno == EINTR)
        ;
    }
  return fd;
}

/* Whether ERROR is how a kernel without such mounts, or one that lets this
 * process make none, says so: that stays as it is. */
static gboolean
is_refusal (int error)
{
  return error == EPERM || error == EACCES || error == ENOSYS || error == EINVAL
         || error == ENOSPC || error == EUSERS;
}

static gboolean
give_up (FcrReadonly *readonly, int number, GError **error)
{
  if (!is_refusal (number))
    {
      g_set_error (error, G_IO_ERROR, g_io_error_from_errno (number),
                   "can not make a read-only mount to open the ring by: %s; "
                   "try again",
                   g_strerror (number));
      return FALSE;
    }
  readonly->refused = TRUE;
  g_message ("There is no read-only mount to open rings by (%s): who is handed "
             "a ring, and may write its file, can open it for writing.",
             g_strerror (number));
  return TRUE;
}

static int
mount_new (FcrReadonly *readonly, const gchar *directory)
{
  struct stat st;
  int root = open (directory, O_PATH | O_DIRECTORY | O_CLOEXEC);
  Mount *mount;
  int fd;

  if (root < 0)
    return -errno;
  fd = fstat (root, &st) < 0 ? -errno : make_mount (root);
  close (root);
  if (fd < 0)
    return fd;
  mount = g_new (Mount, 1);
  *mount = (Mount){ g_strdup (directory), fd, st };
  g_hash_table_replace (readonly->mounts, mount->directory, mount);
  return fd;
}

gboolean
fcr_readonly_path (FcrReadonly *readonly, const gchar *directory,
                   const gchar **path, GError **error)
{
  Mount *mount = g_hash_table_lookup (readonly->mounts, directory);
  struct stat st;
  int fd;

  *path = NULL;
  /* Where there is none, opening the slot says so. */
  if (readonly->refused || stat (directory, &st) < 0)
    return TRUE;
  /* It may have been removed and made anew. */
  if (mount != NULL && mount->st.st_dev == st.st_dev
      && mount->st.st_ino == st.st_ino)
    fd = mount->fd;
  else
    fd = mount_new (readonly, directory);
  if (fd < 0)
    return give_up (readonly, -fd, error);
  g_snprintf (readonly->path, sizeof readonly->path, "/proc/self/fd/%d", fd);
  *path = readonly->path;
  return TRUE;
}
