import Glibc
public import MigrationModel

/// Where guests of tests have their files.
public enum TestFiles {
    /// The places, as settings of a host.
    public static var folders: GuestFolders {
        var folders = GuestFolders()
        folders.images = [variable("TMPDIR") ?? "/var/tmp"]
        folders.boot = [Repository.root]
        let emulators = ["LIVEMIG_QEMU", "LIVEMIG_QEMU_10"].compactMap(variable)
        folders.emulators = Array(Set(emulators)).sorted()
        return folders
    }

    /// The places as the host's file has them.
    public static var hostFile: String {
        let folders = folders
        let places = GuestFileKind.allCases.flatMap { kind in
            folders[kind].map { "<\(kind.rawValue) path=\"\($0)\"/>" }
        }
        return
            "<hostPolicy version=\"1\"><guestFiles>\(places.joined())</guestFiles></hostPolicy>\n"
    }

    private static func variable(_ name: String) -> String? {
        unsafe getenv(name).map { unsafe String(cString: $0) }
    }
}
