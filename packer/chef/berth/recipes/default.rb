# Puts berth and Kafka into an image. Enables berth.service, which waits for /etc/berth/berth.toml, and nothing else:
# Kafka is started by berth, once this instance holds a slot.

bake = node['berth']['source']
kafka = node['berth']['kafka']
%w(url sha256).each do |key|
  raise "node['berth']['kafka']['#{key}'] is not set" if kafka[key].nil?
end

java = platform_family?('debian') ? 'openjdk-17-jre-headless' : 'java-17-amazon-corretto-headless'
package [java, 'xfsprogs', 'e2fsprogs']

group 'kafka' do
  gid kafka['gid']
  system true
end

user 'kafka' do
  uid kafka['uid']
  gid 'kafka'
  system true
  manage_home false
  home '/nonexistent'
  shell '/usr/sbin/nologin'
end

release = "kafka_#{kafka['version']}"
tarball = "#{Chef::Config[:file_cache_path]}/#{release}.tgz"

remote_file tarball do
  source kafka['url']
  checksum kafka['sha256']
end

execute "unpack #{release}" do
  command ['tar', '-xzf', tarball, '-C', '/opt', '--no-same-owner']
  creates "/opt/#{release}/bin/kafka-server-start.sh"
end

link '/opt/kafka' do
  to "/opt/#{release}"
end

directory '/etc/berth/berth.d' do
  recursive true
end

directory '/etc/kafka' do
  group 'kafka'
  mode '0750'
end

{
  'berth' => ['/usr/bin/berth', '0755'],
  'systemd/berth.service' => ['/usr/lib/systemd/system/berth.service', '0644'],
  'systemd/kafka.service' => ['/usr/lib/systemd/system/kafka.service', '0644'],
  'systemd/networkd.conf.d/10-berth.conf' => ['/etc/systemd/networkd.conf.d/10-berth.conf', '0644'],
  'files/server.properties.base' => ['/etc/kafka/server.properties.base', '0644'],
  'files/99-kafka.conf' => ['/etc/sysctl.d/99-kafka.conf', '0644'],
  'files/99-berth.rules' => ['/etc/udev/rules.d/99-berth.rules', '0644'],
  'files/99-berth-network.cfg' => ['/etc/cloud/cloud.cfg.d/99-berth-network.cfg', '0644'],
}.each do |from, (to, permission)|
  directory ::File.dirname(to) do
    recursive true
  end

  remote_file to do
    source "file://#{bake}/#{from}"
    mode permission
    notifies :run, 'execute[systemctl daemon-reload]', :immediately if to.end_with?('.service')
  end
end

directory '/etc/NetworkManager/conf.d' do
  recursive true
  only_if { ::Dir.exist?('/etc/NetworkManager') }
end

remote_file '/etc/NetworkManager/conf.d/10-berth.conf' do
  source "file://#{bake}/systemd/NetworkManager/conf.d/10-berth.conf"
  mode '0644'
  only_if { ::Dir.exist?('/etc/NetworkManager') }
end

execute 'systemctl daemon-reload' do
  action :nothing
end

execute 'manual page of berth' do
  command 'install -d -m 0755 /usr/share/man/man1 && /usr/bin/berth man >/usr/share/man/man1/berth.1'
  creates '/usr/share/man/man1/berth.1'
end

service 'berth' do
  action :enable
end
