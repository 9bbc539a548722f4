import Glibc
import LinuxSystem
import MigrationModel

/// What the SSH server of this host makes of peers' keys, by its own account (sshd(8), `-T`).
struct SSHServerSettings: Sendable {
    let root: HostRoot

    private static let program = "/usr/sbin/sshd"
    private static let patience: Duration = .seconds(10)
    /// How many addresses of peers are asked about.
    private static let addressLimit = 8
    /// How far up the server is looked for, in processes.
    private static let ancestors = 16

    /// Insists that a peer's key reaches the gate, wherever a peer is known to come from.
    /// - Throws: `E-GATE` with the setting that is in the way; `E-NOAGENT` where the server cannot
    ///   be asked.
    func requireGate() throws(LivemigError) -> String {
        let user = try userName()
        var places = try PeerKeys(root: root).addresses().map(\.description)
        places = Array(places.prefix(Self.addressLimit))
        if places.isEmpty { places = ["127.0.0.1"] }
        for place in places {
            let settings = try settings(for: user, from: place)
            if let obstacle = Self.obstacle(settings, user: user) {
                throw LivemigError(
                    .gate, "the SSH server keeps peers from livemig's gate: \(obstacle)",
                    at: "\(user) from \(place)",
                    fix: "change sshd_config, or exempt that user and address by a Match block")
            }
        }
        return "the SSH server runs nothing else for the keys of peers"
    }

    /// What is in the way, of settings as the server lists them.
    static func obstacle(_ settings: [String: String], user: String) -> String? {
        if let command = settings["forcecommand"], command != "none" {
            return "ForceCommand \(command.escaped())"
        }
        if settings["pubkeyauthentication"] == "no" { return "PubkeyAuthentication no" }
        if user == "root", settings["permitrootlogin"] == "no" { return "PermitRootLogin no" }
        if let directory = settings["chrootdirectory"], directory != "none" {
            return "ChrootDirectory \(directory.escaped())"
        }
        return nil
    }

    private func settings(
        for user: String, from place: String
    ) throws(LivemigError) -> [String: String] {
        let file = Self.configuration().map { ["-f", $0] } ?? []
        let output = try ProgramOutput(
            of: Self.program, ["-T"] + file + ["-C", "user=\(user),host=\(place),addr=\(place)"],
            patience: Self.patience, as: .noAgent)
        guard output.status == 0 else {
            throw LivemigError(
                .noAgent, "the SSH server does not list its settings: \(output.text.escaped())",
                at: Self.program)
        }
        var settings: [String: String] = [:]
        for line in output.text.split(separator: "\n") {
            let words = line.split(separator: " ", maxSplits: 1)
            guard words.count == 2 else { continue }
            settings[words[0].lowercased()] = String(words[1])
        }
        return settings
    }

    private func userName() throws(LivemigError) -> String {
        if let login = root.login { return login.name }
        guard let user = unsafe getpwuid(geteuid()) else {
            throw LivemigError(.file, "user \(geteuid()) has no name")
        }
        return unsafe String(cString: user.pointee.pw_name)
    }

    /// The configuration file of the server that this process comes from, where it was told one.
    private static func configuration() -> String? {
        var process = getppid()
        for _ in 0..<ancestors {
            guard process > 1 else { return nil }
            let title = SmallFile.read("/proc/\(process)/cmdline").replacing("\0", with: " ")
            let words = title.split(separator: " ").map(String.init)
            if title.contains("sshd"), let index = words.firstIndex(of: "-f"),
                index + 1 < words.count
            {
                return words[index + 1]
            }
            process = parent(of: process)
        }
        return nil
    }

    /// The fourth field of proc(5), `stat`; the second is in parentheses and may hold anything.
    private static func parent(of process: pid_t) -> pid_t {
        let text = SmallFile.read("/proc/\(process)/stat")
        guard let end = text.lastIndex(of: ")") else { return 0 }
        let fields = text[end...].split(separator: " ")
        return fields.count > 2 ? pid_t(fields[2]) ?? 0 : 0
    }
}
