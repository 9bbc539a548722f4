import Foundation
import MigrationModel
import TestSupport

/// Two hosts behind sshd of their own, known to the `livemig` command by an inventory.
final class TwoHosts {
    let alpha: TestHost
    let beta: TestHost
    private let inventory: String
    private var location: TestHost

    init() throws {
        alpha = try TestHost("alpha")
        beta = try TestHost("beta")
        location = alpha
        inventory = alpha.root + ".hosts.xml"
        try alpha.trust(beta)
        try beta.trust(alpha)
        for host in [alpha, beta] {
            _ = try livemig([
                "host", "add", host.name.text, "--address", "127.0.0.1", "--port",
                String(host.ssh.port), "--user", host.ssh.user, "--identity", host.ssh.clientKey,
                "--root", host.root, "--agent", try BuildProducts.program("livemig-agent"),
                "--host-key", host.ssh.hostKey,
            ])
        }
    }

    deinit { _ = try? livemig(["vm", "stop", "guest"]) }

    /// Defines and starts a guest on alpha.
    func start(_ document: String) throws {
        let file = alpha.root + ".guest.xml"
        try document.write(toFile: file, atomically: true, encoding: .utf8)
        defer { try? FileManager.default.removeItem(atPath: file) }
        _ = try livemig(["vm", "define", file, "--on", "alpha"])
        _ = try livemig(["vm", "start", "guest"])
    }

    /// Moves the guest to the other host; returns the events of the command.
    func move(_ options: [String] = []) throws -> [[String: Any]] {
        let destination = location === alpha ? beta : alpha
        let output = try livemig(
            ["move", "guest", "--to", destination.name.text, "--output", "json"] + options)
        location = destination
        return try output.split(separator: "\n").compactMap {
            try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
        }
    }

    private func livemig(_ arguments: [String]) throws -> String {
        let process = Process()
        process.executableURL = URL(filePath: try BuildProducts.program("livemig"))
        process.arguments = arguments
        process.environment = [
            "PATH": "/usr/bin:/bin", "LIVEMIG_INVENTORY": inventory,
            "LIVEMIG_HISTORY": inventory + ".history",
        ]
        let output = Pipe()
        process.standardOutput = output
        try process.run()
        let text = String(
            decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
        process.waitUntilExit()
        guard process.terminationStatus == 0 else {
            throw LivemigError(
                .internal,
                "livemig \(arguments.joined(separator: " ")) ended with "
                    + "\(process.terminationStatus)", at: text)
        }
        return text
    }
}
