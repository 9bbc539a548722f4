import MigrationModel
import SSHTransport
import WireProtocol

/// livemig's own lines in an authorized_keys file, on the file's bytes.
struct LaneLines: Sendable {
    /// The folder of the host that lanes end at.
    let root: String
    /// The agent's program.
    let agent: String
    /// Whether the agent becomes root by sudo.
    let usesSudo: Bool

    /// By how many names one key is known at most: as many inventories can call a host differently.
    static let nameLimit = 16
    /// How many addresses a line names at most, for sshd reads no endless lines.
    static let addressLimit = 48

    /// The file with a peer's keys in it.
    /// - Throws: `E-AUTH` when an earlier line has one of the keys and is not livemig's.
    func granting(
        _ request: AuthorizePeer, _ keys: [SSHPublicKey], in bytes: [UInt8], at path: String
    ) throws(LivemigError) -> [UInt8] {
        let former = Set(request.former.compactMap { try? SSHPublicKey(line: $0).blob })
        var missing = keys
        var lines: [[UInt8]] = []
        for (index, bytes) in Self.split(bytes).enumerated() {
            guard let line = AuthorizedLine(bytes) else {
                lines.append(bytes)
                continue
            }
            let grant = LaneGrant(line).flatMap { $0.root == root ? $0 : nil }
            let key = keys.first { $0.blob == line.blob }
            if let grant, let key {
                // A second line of one key is of no effect.
                guard missing.contains(key) else { continue }
                missing.removeAll { $0 == key }
                lines.append(try updated(line, grant, key, request))
            } else if let key, missing.contains(key) {
                throw LivemigError(
                    .authentication,
                    "line \(index + 1) accepts the key of \(request.peer) for "
                        + "something else, and the first line of a key counts", at: path,
                    fix: "take the line out")
            } else if let grant,
                former.contains(line.blob) || Self.isOf(line, grant, request.peer, request.host)
            {
                continue
            } else {
                lines.append(bytes)
            }
        }
        for key in missing {
            if !lines.isEmpty, lines[lines.count - 1].last != UInt8(ascii: "\n") {
                lines[lines.count - 1].append(UInt8(ascii: "\n"))
            }
            lines.append(try added(key, request))
        }
        return lines.flatMap { $0 }
    }

    /// The file without a peer's keys, and the lines that are gone; `nil` when there are none.
    static func withdrawing(
        _ peer: String, host: String, _ blobs: [String], root: String, from bytes: [UInt8]
    ) -> (rest: [UInt8]?, removed: [AuthorizedLine]) {
        var removed: [AuthorizedLine] = []
        let rest = split(bytes).filter { bytes in
            guard let line = AuthorizedLine(bytes), let grant = LaneGrant(line),
                grant.root == root
            else { return true }
            let isMeant =
                blobs.isEmpty
                ? grant.names.contains(peer)
                : blobs.contains(line.blob) || isOf(line, grant, peer, host)
            if isMeant { removed.append(line) }
            return !isMeant
        }
        return (removed.isEmpty ? nil : rest.flatMap { $0 }, removed)
    }

    /// All that a file grants to peers of a host.
    static func grants(in bytes: [UInt8], root: String) -> [LaneGrant] {
        split(bytes).compactMap { AuthorizedLine($0).flatMap(LaneGrant.init) }
            .filter { $0.root == root }
    }

    /// Addresses, none of them networks, that the lines of a host's peers are tied to.
    static func addresses(in bytes: [UInt8], root: String) -> [IPAddress] {
        split(bytes).compactMap { AuthorizedLine($0) }
            .filter { LaneGrant($0)?.root == root }
            .flatMap(\.options).filter { $0.name == "from" }
            .flatMap { ($0.value ?? "").split(separator: ",") }
            .compactMap { IPAddress(String($0)) }
    }

    /// Lines with their line feeds.
    private static func split(_ bytes: [UInt8]) -> [[UInt8]] {
        var lines: [[UInt8]] = []
        var start = 0
        for (index, byte) in bytes.enumerated() where byte == UInt8(ascii: "\n") {
            lines.append(Array(bytes[start...index]))
            start = index + 1
        }
        if start < bytes.count { lines.append(Array(bytes[start...])) }
        return lines
    }

    /// Whether a line is that of an agent, whatever key it has now.
    private static func isOf(
        _ line: AuthorizedLine, _ grant: LaneGrant, _ peer: String, _ host: String
    ) -> Bool {
        !host.isEmpty && grant.names.contains(peer)
            && line.comment.split(separator: " ").contains("host:\(host)")
    }

    private func added(
        _ key: SSHPublicKey, _ request: AuthorizePeer
    ) throws(LivemigError) -> [UInt8] {
        let empty = AuthorizedLine(options: [], kind: key.kind, blob: key.blob, comment: "")
        return try line(empty, [request.peer], key, request)
    }

    private func updated(
        _ old: AuthorizedLine, _ grant: LaneGrant, _ key: SSHPublicKey, _ request: AuthorizePeer
    ) throws(LivemigError) -> [UInt8] {
        let others = grant.names.filter { $0 != request.peer }
        return try line(
            old, Array(([request.peer] + others).prefix(Self.nameLimit)), key, request)
    }

    /// A line of livemig's, with what somebody else has added to it.
    ///
    /// A `from` right behind the command is livemig's own, another one somebody else's, which
    /// stays and counts; sshd takes no two.
    private func line(
        _ old: AuthorizedLine, _ names: [String], _ key: SSHPublicKey, _ request: AuthorizePeer
    ) throws(LivemigError) -> [UInt8] {
        let command = try RemoteCommand(
            [agent, "lane"] + (usesSudo ? ["--become", "sudo"] : []) + ["--root", root]
                + names.flatMap { ["--peer", $0] } + ["--key", key.fingerprint])
        var kept: [AuthorizedLine.Option] = []
        var previous = ""
        for option in old.options {
            let isOwn =
                ["restrict", "command"].contains(option.name)
                || option.name == "from" && previous == "command"
            if !isOwn { kept.append(option) }
            previous = option.name
        }
        var own = [
            AuthorizedLine.Option(name: "restrict", text: "restrict"),
            AuthorizedLine.Option(name: "command", text: "command=\"\(command.text)\""),
        ]
        let addresses = request.addresses.filter(Self.isAddress)
        if !addresses.isEmpty, addresses.count <= Self.addressLimit,
            !kept.contains(where: { $0.name == "from" })
        {
            own.append(
                .init(name: "from", text: "from=\"\(addresses.joined(separator: ","))\""))
        }
        // What stood in front stays in front, and what came after `restrict` may take from it.
        let index = old.options.firstIndex { $0.name == "restrict" } ?? 0
        let front = kept.filter { option in
            (old.options.firstIndex(of: option) ?? index) < index
        }
        let back = kept.filter { !front.contains($0) }
        let host = request.host.isEmpty ? "" : " host:\(request.host)"
        let line = AuthorizedLine(
            options: front + own + back, kind: key.kind, blob: key.blob,
            comment: "livemig:\(request.peer):\(root)\(host)")
        return Array((line.text + "\n").utf8)
    }

    /// An address or a network, as sshd(8) has it in `from`.
    private static func isAddress(_ text: String) -> Bool {
        IPAddress(text) != nil || (try? Subnet(text)) != nil
    }
}
