# Folder on the machine that holds berth (the program), systemd/ and files/ of this repository.
default['berth']['source'] = '/tmp/berth-bake'

# A Kafka tarball and its checksum. remote_file checks SHA-256.
default['berth']['kafka']['url'] = nil
default['berth']['kafka']['sha256'] = nil
default['berth']['kafka']['version'] = '2.13-3.9.1'

# One fixed number in every image: the files on the volume outlive the image that made them.
default['berth']['kafka']['uid'] = 640
default['berth']['kafka']['gid'] = 640
