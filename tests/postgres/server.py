#!/usr/bin/env python3
"""A PostgreSQL server of one's own for a test run: `server.py start|stop|restart FOLDER`.

start: makes a database cluster in a fresh temporary directory, on a free loopback port, and leaves in FOLDER
`url` (of its database `postgres`) and `data`, or `skip` with a sentence where there is no PostgreSQL.
restart ends it without ceremony, as a crash would, and starts it on the same port. It syncs nothing unless asked
to: for tests only.
"""
import glob
import os
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time


def programs():
    """The folder of initdb and pg_ctl, of the newest version there is."""
    found = sorted(glob.glob('/usr/lib/postgresql/*/bin/pg_ctl'), key=lambda p: int(p.split('/')[4]))
    if found:
        return os.path.dirname(found[-1])
    on_path = shutil.which('pg_ctl')
    return os.path.dirname(os.path.realpath(on_path)) if on_path else None


def unprivileged():
    """PostgreSQL refuses to run as root: then as whom, or None."""
    if os.geteuid() != 0:
        return None
    for name in ('postgres', 'nobody'):
        try:
            return pwd.getpwnam(name)
        except KeyError:
            continue
    sys.exit('server.py: no user to run PostgreSQL as')


def run(command, user):
    if user is not None:
        command = ['setpriv', f'--reuid={user.pw_uid}', f'--regid={user.pw_gid}', '--clear-groups'] + command
    done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, cwd='/', check=False)
    if done.returncode != 0:
        sys.exit(f'server.py: {" ".join(command)}:\n{done.stdout}')


def free_port():
    with socket.socket() as probe:
        probe.bind(('127.0.0.1', 0))
        return probe.getsockname()[1]


def leave(folder, name, text):
    with open(os.path.join(folder, name), 'w', encoding='utf-8') as out:
        out.write(text)


def read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding='utf-8') as file:
            return file.read()
    except FileNotFoundError:
        return None


def launch(bin_folder, data, user):
    run([f'{bin_folder}/pg_ctl', '-D', data, '-l', f'{data}/log', '-w', '-t', '120', 'start'], user)


def start(folder, durable=False):
    os.makedirs(folder, exist_ok=True)
    if read(folder, 'data'):
        stop(folder)
    bin_folder = programs()
    if bin_folder is None:
        leave(folder, 'skip', 'no PostgreSQL is installed (Debian: apt-get install postgresql)')
        print('server.py: SKIPPING every test of the PostgreSQL journal: no PostgreSQL is installed')
        return
    user = unprivileged()
    root = tempfile.mkdtemp(prefix='flotilla_postgres_')
    if user is not None:
        os.chown(root, user.pw_uid, user.pw_gid)
    data = f'{root}/data'
    run([f'{bin_folder}/initdb', '-D', data, '-U', 'flotilla', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'],
        user)
    for _ in range(5):  # somebody may take the port first
        port = free_port()
        with open(f'{data}/postgresql.auto.conf', 'w', encoding='utf-8') as conf:
            conf.write(f"""listen_addresses = '127.0.0.1'
port = {port}
unix_socket_directories = ''
fsync = {'on' if durable else 'off'}
full_page_writes = {'on' if durable else 'off'}
max_connections = 300
shared_buffers = 64MB
""")
        try:
            launch(bin_folder, data, user)
            break
        except SystemExit as error:
            print(error, file=sys.stderr)
            time.sleep(0.2)
    else:
        sys.exit('server.py: PostgreSQL does not start')
    leave(folder, 'data', root)
    leave(folder, 'url', f'postgres://flotilla@127.0.0.1:{port}/postgres')


def halt(folder):
    root = read(folder, 'data')
    if root:
        run([f'{programs()}/pg_ctl', '-D', f'{root}/data', '-m', 'immediate', '-w', 'stop'], unprivileged())
    return root


def stop(folder):
    root = halt(folder)
    if root:
        shutil.rmtree(root, ignore_errors=True)
    for name in ('data', 'url', 'skip'):
        if os.path.exists(os.path.join(folder, name)):
            os.remove(os.path.join(folder, name))


def restart(folder):
    root = halt(folder)
    launch(programs(), f'{root}/data', unprivileged())


if __name__ == '__main__':
    {'start': start, 'stop': stop, 'restart': restart}[sys.argv[1]](sys.argv[2])
