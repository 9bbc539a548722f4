import Glibc
import Inventory
import MigrationModel
import Testing

private func temporaryFolder() throws -> String {
    let path = "/tmp/livemig-inventory-\(UInt64.random(in: .min ... .max).hexadecimal)"
    try #require(unsafe mkdir(path, 0o700) == 0)
    return path
}

private func mode(_ path: String) throws -> mode_t {
    var status = stat()
    try #require(unsafe stat(path, &status) == 0, "\(path)")
    return status.st_mode & 0o7777
}

@Suite("Inventory files")
struct InventoryFileTests {
    // Breaks when a new inventory is readable by others, or its folders are.
    @Test("a new inventory and its folders are private")
    func creation() throws {
        let folder = try temporaryFolder()
        let file = InventoryFile(path: "\(folder)/one/two/hosts.xml")
        let host = HostRecord(name: try HostName("a"), address: "x", hostKeys: [])
        let count = try file.update { hosts in
            hosts.append(host)
            return hosts.count
        }
        #expect(count == 1)
        #expect(try file.load() == [host])
        #expect(try mode(file.path) == 0o600)
        #expect(try mode("\(folder)/one") == 0o700)
        #expect(try mode("\(folder)/one/two") == 0o700)
        for path in ["one/two/hosts.xml", "one/two/hosts.xml.lock"] {
            _ = unsafe unlink("\(folder)/\(path)")
        }
        for path in ["one/two", "one", "."] {
            #expect(unsafe rmdir("\(folder)/\(path)") == 0 || path == ".", "left over in \(path)")
        }
        _ = unsafe rmdir(folder)
    }

    // Breaks when a file that somebody else can change says which host keys are trusted. Needs root to
    // give files away.
    @Test(
        "only its owner may write an inventory",
        arguments: [
            (0o600, nil, nil), (0o644, nil, nil), (0o444, nil, nil),
            (0o664, nil, "mode 0664"), (0o646, nil, "mode 0646"), (0o666, nil, "mode 0666"),
            (0o600, 65534, "belongs to user 65534"),
        ] as [(mode_t, uid_t?, String?)])
    func writers(mode: mode_t, owner: uid_t?, words: String?) throws {
        let folder = try temporaryFolder()
        let file = InventoryFile(path: "\(folder)/hosts.xml")
        defer {
            for path in [file.path, file.path + ".lock"] { _ = unsafe unlink(path) }
            _ = unsafe rmdir(folder)
        }
        let host = HostRecord(name: try HostName("a"), address: "x", hostKeys: [])
        try file.update { $0.append(host) }
        try #require(unsafe chmod(file.path, mode) == 0)
        if let owner { try #require(unsafe chown(file.path, owner, owner) == 0) }
        var refusal: LivemigError?
        do throws(LivemigError) { _ = try file.load() } catch { refusal = error }
        guard let words else {
            #expect(refusal == nil)
            return
        }
        #expect(refusal?.code == .inventoryMode)
        #expect(refusal?.code.exitCode == .trust)
        #expect(refusal?.what.contains(words) == true, "\(refusal as Any)")
    }

    // Breaks when writers overlap: an update that read the same state as another loses one host.
    @Test("updates at once lose nothing")
    func concurrentUpdates() async throws {
        let folder = try temporaryFolder()
        let file = InventoryFile(path: "\(folder)/hosts.xml")
        try await withThrowingTaskGroup(of: Void.self) { group in
            for index in 0..<40 {
                group.addTask {
                    let host = HostRecord(
                        name: try HostName("h\(index)"), address: "x", hostKeys: [])
                    try file.update { $0.append(host) }
                }
            }
            try await group.waitForAll()
        }
        #expect(Set(try file.load().map(\.name)).count == 40)
        _ = unsafe unlink(file.path)
        _ = unsafe unlink(file.path + ".lock")
        #expect(unsafe rmdir(folder) == 0, "a temporary file was left over")
    }

    // Breaks when a change that fails, or a bad record, touches the file.
    @Test("an update that fails leaves the file as it was")
    func failedUpdate() throws {
        let folder = try temporaryFolder()
        let file = InventoryFile(path: "\(folder)/hosts.xml")
        let host = HostRecord(name: try HostName("a"), address: "x", hostKeys: [])
        try file.update { $0.append(host) }
        #expect(throws: LivemigError.self) {
            try file.update { hosts throws(LivemigError) in
                hosts = []
                throw LivemigError(.noHost, "no such host")
            }
        }
        #expect(throws: LivemigError.self) { try file.update { $0[0].address = "-x" } }
        #expect(throws: LivemigError.self) { try file.update { $0.append(host) } }
        #expect(try file.load() == [host])
        _ = unsafe unlink(file.path)
        _ = unsafe unlink(file.path + ".lock")
        #expect(unsafe rmdir(folder) == 0, "a temporary file was left over")
    }

    // Breaks when a link is taken for its file, or absence is not told.
    @Test("links are followed, absent files are refused")
    func links() throws {
        let folder = try temporaryFolder()
        let file = InventoryFile(path: "\(folder)/hosts.xml")
        let absent = #expect(throws: LivemigError.self) { try file.load() }
        #expect(absent?.code == .file)
        let target = InventoryFile(path: "\(folder)/target.xml")
        try #require(unsafe symlink("target.xml", file.path) == 0)
        #expect(throws: LivemigError.self) { try file.load() }
        try file.update { $0 = [] }
        #expect(try target.load() == [])
        #expect(try file.load() == [])
        _ = unsafe chmod(target.path, 0o620)
        let exposed = #expect(throws: LivemigError.self) { try file.load() }
        #expect(exposed?.code == .inventoryMode)
        for path in [file.path, target.path, target.path + ".lock"] { _ = unsafe unlink(path) }
        _ = unsafe rmdir(folder)
    }
}

@Suite("Inventory search")
struct InventorySearchTests {
    static let user = "/home/o/.config/livemig/hosts.xml"
    static let system = "/etc/livemig/hosts.xml"

    // Breaks when the order of the places changes, or a named place is passed over for another.
    @Test(
        "the first place that is named or exists is used",
        arguments: [
            ("/x", ["LIVEMIG_INVENTORY": "/y"], [user, "/y"], "/x", false),
            ("/x", [:], ["/x"], "/x", true),
            (nil, ["LIVEMIG_INVENTORY": "/y"], [system], "/y", false),
            (nil, ["LIVEMIG_INVENTORY": ""], [system], system, true),
            (nil, ["HOME": "/home/o"], [user, system], user, true),
            (nil, ["HOME": "/home/o"], [system], system, true),
            (nil, ["HOME": "/home/o"], [], user, false),
            (
                nil, ["HOME": "/home/o", "XDG_CONFIG_HOME": "/c/"], [], "/c/livemig/hosts.xml",
                false
            ),
            (nil, ["HOME": "/home/o", "XDG_CONFIG_HOME": "c"], [], user, false),
            (nil, ["HOME": "/home/o", "XDG_CONFIG_HOME": ""], [], user, false),
            (nil, ["HOME": "/"], [], "/.config/livemig/hosts.xml", false),
            (nil, [:], [], system, false),
        ] as [(String?, [String: String], [String], String, Bool)])
    func order(
        option: String?, environment: [String: String], files: [String], path: String, exists: Bool
    ) {
        let found = InventorySearch.find(
            option: option, environment: environment, exists: files.contains)
        #expect(found.path == path)
        #expect(found.exists == exists)
    }
}
